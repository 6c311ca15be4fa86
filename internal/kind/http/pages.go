package http

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/tidewire/tidewire/internal/httpclient"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/value"
)

// A pager fetches an answer that comes in pages. Its value is the list of them; what is said beside the value is that of
// the last one, but the size and the time that it took are those of all.
type pager struct {
	*fetcher
	first  kind.Fetcher // of the first page
	source *Source
	again  func(context.Context) error // see [kind.Env]
}

// Fetch implements [kind.Fetcher].
func (p *pager) Fetch(ctx context.Context) (kind.Result, error) {
	start := time.Now()
	f := p.fetcher
	f.exchange.Room = new(room)
	if p.source.Fixed != nil {
		f.exchange.URL = p.source.Fixed.URL // the last fetch has left its last page there
	}
	result, err := p.first.Fetch(ctx)
	if err != nil {
		return result, err
	}
	pages := []any{result.Value}
	asked := []string{f.exchange.URL.String()}
	for err == nil {
		var next *url.URL
		if next, err = p.next(ctx, start, asked, pages[len(pages)-1], result.Variables); err != nil || next == nil {
			break
		}
		if p.again != nil {
			if err = p.again(ctx); err != nil {
				err = p.fail(ctx, start, err)
				break
			}
		}
		f.exchange.URL = next
		asked = append(asked, next.String())
		var v any
		if v, _, err = f.exchange.FetchIf(ctx, nil); err == nil {
			pages = append(pages, v)
		}
		result = f.got
	}
	result.Value = pages
	if _, ok := result.Variables[tookVariable]; ok {
		result.Variables[tookVariable] = seconds(time.Since(start))
	}
	return result, err
}

// next returns the address of the page after the newest one, which is v; nil if there is none.
func (p *pager) next(
	ctx context.Context, start time.Time, asked []string, v any, variables map[string]any,
) (*url.URL, error) {
	f, source := p.fetcher, p.source
	named, err := source.Next.RunWith(ctx, v, variables)
	if err != nil {
		return nil, p.fail(ctx, start, fmt.Errorf("the next page: %w", err))
	}
	if named == nil || named == "" {
		return nil, nil
	}
	text, ok := named.(string)
	if !ok {
		return nil, p.fail(ctx, start, fmt.Errorf("the next page: %s gives neither an address nor null", source.Next))
	}
	u, err := f.exchange.URL.Parse(text)
	switch {
	case err != nil || len(text) > maxAddress:
		return nil, p.fail(ctx, start, fmt.Errorf("the next page: %s gives no address", source.Next))
	case !httpclient.SameOrigin(f.exchange.URL, u):
		err := fmt.Errorf("the next page is at another origin, %s://%s: want one of its own upstream", u.Scheme, u.Host)
		return nil, p.fail(ctx, start, err)
	}
	u.Fragment, u.RawFragment = "", "" // they are not sent
	u.User = nil                       // for whom the credential of the upstream would not be
	if before := slices.Index(asked, u.String()); before >= 0 {
		return nil, p.fail(ctx, start, fmt.Errorf("page %d names page %d as the next one", len(asked), before+1))
	}
	if len(asked) == source.Pages {
		return nil, p.fail(ctx, start, fmt.Errorf("there are more than %d pages: ask for larger ones, or raise pages.max", source.Pages))
	}
	return u, nil
}

// fail is the error of a fetch at its newest page.
func (p *pager) fail(ctx context.Context, start time.Time, err error) error {
	what := p.source.Method + " " + address(p.exchange.URL, p.exchange.Secrets)
	return kind.Fail(ctx, start, what, err.Error(), err, p.exchange.Secrets)
}

// A room bounds answers that are held together.
type room struct{ bytes, decoded int }

// take adds an answer. A nil room has no bounds.
func (r *room) take(ctx context.Context, body []byte) error {
	if r == nil {
		return nil
	}
	if r.bytes += len(body); r.bytes > value.MaxBody {
		return fmt.Errorf("the pages have more than %d MiB in all", value.MaxBody>>20)
	}
	r.decoded += value.DecodedSize(body)
	return value.AdmitDecoding(ctx, r.decoded)
}
