package demo

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/netip"
	"time"
)

// DevicePort is the TCP port on which devices answer unless it is taken.
const DevicePort = 7700

// An Identity is the answer of a device to GET /identity.
type Identity struct {
	Vendor   string `json:"vendor"`
	Model    string `json:"model"`
	Serial   string `json:"serial"`
	Firmware string `json:"firmware"`
}

// products are the models of the demo's devices.
var products = []struct{ vendor, model, serial string }{
	{"Halden", "PLC 41", "HA"},
	{"Halden", "Remote I/O 16", "HA"},
	{"Ostrava Drives", "VFD 7.5 kW", "OD"},
	{"Lumen & Sons", "Flow meter DN50", "LS"},
	{"Lumen & Sons", "Level radar 80G", "LS"},
	{"Kestrel", "Gateway K2", "KE"},
	{"Brightwater", "Pump controller", "BW"},
	{"Brightwater", "Turbidity probe", "BW"},
}

// identityOf generates the device at addr: the same address is always the same device.
func identityOf(addr netip.AddrPort) (id Identity, delay time.Duration) {
	h := fnv.New64a()
	h.Write([]byte(addr.String()))
	n := mix(h.Sum64())
	p := products[n%uint64(len(products))]
	return Identity{
		Vendor:   p.vendor,
		Model:    p.model,
		Serial:   fmt.Sprintf("%s-%06d", p.serial, n>>8%1e6),
		Firmware: fmt.Sprintf("%d.%d.%d", 1+n>>32%4, n>>40%10, n>>48%20),
	}, time.Duration(1+n>>16%40) * time.Millisecond
}

// deviceHandler is the device at addr. It answers after 1 to 40 ms.
func deviceHandler(addr netip.AddrPort) http.Handler {
	id, delay := identityOf(addr)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /identity", func(w http.ResponseWriter, r *http.Request) {
		if pause(r.Context(), delay) {
			writeJSON(w, id)
		}
	})
	return mux
}

// writeJSON answers 200 with v, which must be encodable.
func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v) // an error means that the client has left
}
