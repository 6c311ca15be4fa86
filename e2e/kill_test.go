package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/internal/scripttest"
)

// gatewayFile and gatewayAddr are the variables of the environment that make the test binary a gateway.
const gatewayFile, gatewayAddr = "E2E_GATEWAY_FILE", "E2E_GATEWAY_ADDR"

// beGateway runs a gateway if that is what this process is for.
func beGateway() {
	file := os.Getenv(gatewayFile)
	if file == "" {
		return
	}
	cfg, _, err := config.Open(file)
	if err == nil {
		var ln net.Listener
		if ln, err = net.Listen("tcp", os.Getenv(gatewayAddr)); err == nil {
			fmt.Println(ln.Addr())
			err = gateway.Run(context.Background(), cfg, ln, nil)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// spawn runs a gateway as a process of its own, at addr; it returns where that is.
func spawn(t *testing.T, file, addr string) (at string, process *os.Process, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), gatewayFile+"="+file, gatewayAddr+"="+addr)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
	t.Cleanup(kill)
	line := bufio.NewScanner(out)
	if !line.Scan() {
		t.Fatal("the gateway does not say where it listens")
	}
	return line.Text(), cmd.Process, kill
}

// The gateway that is killed cannot tell how its run ended; the next one does not know of it. The page does.
func TestARunOfAGatewayThatWasKilledIsLost(t *testing.T) {
	t.Parallel() // it waits most of the time
	s := scripttest.New(t)
	g := &server{t: t, file: t.TempDir() + "/tidewire.yaml"}
	g.write(scan(s))
	addr, _, kill := spawn(t, g.file, "127.0.0.1:0")
	p := open(t, "http://"+addr+"/", view{width: 1440, height: 900})
	p.expect(`network: Failed to load resource: net::`)
	p.await(`connection() === "live"`)
	p.click(startReport)
	s.Begun().Print("::progress 30 half way")
	p.await(`card("report").dataset.state === "running" && card("report").querySelector("progress").value === 30`)

	kill()
	p.await(`connection() === "reconnecting"`)
	spawn(t, g.file, addr)
	p.await(`connection() === "live" && card("report").dataset.state === "lost"`)
	p.await(`text("report", ".line") === "The gateway restarted; it is unknown how the run ended"`)
	p.await(`document.getElementById("announcer").textContent.includes("Nightly report lost")`)
	p.await(`card("scan").dataset.state === "idle"`) // which has not run
	p.click(startReport)
	s.Begun().Exit(0)
	p.await(`card("report").dataset.state === "ok"`)
}
