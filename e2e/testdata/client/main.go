// A program that uses a gateway by a generated client alone, which stands beside this file as client.gen.go while
// TestAGeneratedClientWorks runs. Its argument is the address of the gateway. It prints what is not as it has to be.
package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := use(ctx, os.Args[1]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func use(ctx context.Context, address string) error {
	c, err := NewClientWithResponses(address)
	if err != nil {
		return err
	}
	for _, step := range []func(context.Context, *ClientWithResponses) error{look, refuse, start, remember} {
		if err := step(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// to is the address of a value, for what may be left out.
func to[T any](v T) *T { return &v }

// look lists sources and jobs, and waits for the first value.
func look(ctx context.Context, c *ClientWithResponses) error {
	params := &ListSourcesParams{}
	for {
		answer, err := c.ListSourcesWithResponse(ctx, params)
		if err != nil {
			return err
		}
		params.IfNoneMatch, params.Prefer = to(answer.HTTPResponse.Header.Get("ETag")), to("wait=30")
		if answer.JSON200 == nil { // 304
			continue
		}
		sources := answer.JSON200.Sources
		if len(sources) != 1 || sources[0].Name != "tank" || sources[0].Show.Max == nil ||
			*sources[0].Show.Max != 99.5 {
			return fmt.Errorf("the sources are %+v, want tank with a scale to 99.5", sources)
		}
		if sources[0].State != SourceStateOk {
			continue
		}
		if value := sources[0].Value.(map[string]any)["level"]; value != 41.25 || sources[0].UpdatedAt.IsZero() {
			return fmt.Errorf("the tank has %v at %v, want 41.25", value, sources[0].UpdatedAt)
		}
		break
	}
	jobs, err := c.ListJobsWithResponse(ctx, nil)
	if err != nil {
		return err
	}
	if jobs.JSON200 == nil || len(jobs.JSON200.Jobs) != 1 {
		return fmt.Errorf("the jobs are %s, want one", jobs.Body)
	}
	args := jobs.JSON200.Jobs[0].Args
	who, err := args["who"].Default.AsArgumentDefault0()
	if err != nil || who != "ann" {
		return fmt.Errorf("the default of who is %q, %v, want ann", who, err)
	}
	times, err := args["times"].Default.AsArgumentDefault1()
	if err != nil || times != 2 || args["times"].Type != ArgumentTypeInt {
		return fmt.Errorf("the default of times is %v, %v, want 2, an int", times, err)
	}
	loud, err := args["loud"].Default.AsArgumentDefault2()
	if err != nil || loud {
		return fmt.Errorf("the default of loud is %v, %v, want false", loud, err)
	}
	return nil
}

// refuse asks for what there is not and what may not be.
func refuse(ctx context.Context, c *ClientWithResponses) error {
	none, err := c.GetSourceWithResponse(ctx, "tnak", nil)
	if err != nil {
		return err
	}
	if p := none.ApplicationproblemJSON404; p == nil || p.Status != 404 || p.Type != ProblemTypeAboutBlank ||
		p.Instance != "/api/v1/sources/tnak" {
		return fmt.Errorf("the answer about a source that is not there is %s, want a problem", none.Body)
	}
	args := map[string]any{"times": 9, "who": "bob"}
	wrong, err := c.TriggerRunWithResponse(ctx, "greet", nil, Start{Args: &args})
	if err != nil {
		return err
	}
	p := wrong.ApplicationproblemJSON422
	if p == nil || p.Errors == nil || len(*p.Errors) != 1 || (*p.Errors)[0].Pointer == nil ||
		*(*p.Errors)[0].Pointer != "#/args/times" {
		return fmt.Errorf("the answer to an argument out of range is %s, want a problem that points to it", wrong.Body)
	}
	return nil
}

// start starts a run, waits for its end and reads what it printed.
func start(ctx context.Context, c *ClientWithResponses) error {
	args := map[string]any{"who": "bob"}
	started, err := c.TriggerRunWithResponse(
		ctx, "greet", &TriggerRunParams{IdempotencyKey: to("one")}, Start{Args: &args},
	)
	if err != nil {
		return err
	}
	run := started.JSON202
	if run == nil || started.Headers202 == nil || started.Headers202.Location != "/api/v1/runs/"+run.Id {
		return fmt.Errorf("the answer to a start is %s %s, want 202 and the run", started.Status(), started.Body)
	}
	params := &GetRunParams{Prefer: to("wait=30")}
	for run.FinishedAt == nil {
		answer, err := c.GetRunWithResponse(ctx, run.Id, params)
		if err != nil {
			return err
		}
		params.IfNoneMatch = to(answer.HTTPResponse.Header.Get("ETag"))
		if answer.JSON200 != nil {
			run = answer.JSON200
		}
	}
	const printed = "hello bob 2\n"
	if run.Status != RunStatusSucceeded || run.ExitCode == nil || *run.ExitCode != 0 ||
		run.OutputBytes != int64(len(printed)) ||
		run.Percent == nil {
		return fmt.Errorf("the run has ended as %+v, want success", run)
	}
	output, err := c.RunOutputWithResponse(ctx, run.Id, nil)
	if err != nil {
		return err
	}
	if head := output.Headers200; string(output.Body) != printed || head == nil ||
		head.TidewireNext != int64(len(printed)) ||
		head.TidewireEnd == nil {
		return fmt.Errorf("the output is %q with %+v, want %q and its end", output.Body, head, printed)
	}
	return nil
}

// remember asks for what the numbers of the source were.
func remember(ctx context.Context, c *ClientWithResponses) error {
	answer, err := c.GetHistoryWithResponse(ctx, "tank", &GetHistoryParams{Field: to("level"), Points: to(int64(10))})
	if err != nil {
		return err
	}
	h := answer.JSON200
	if h == nil || len(h.T) != 1 || len(h.V) != 1 || h.V[0] == nil || *h.V[0] != 41.25 {
		return fmt.Errorf("the history is %s, want one point of 41.25", answer.Body)
	}
	if at := time.UnixMilli(h.T[0]); time.Since(at).Abs() > time.Hour {
		return fmt.Errorf("the point is of %v, want it of now", at)
	}
	return nil
}
