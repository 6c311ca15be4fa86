//go:build linux

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"net/http"
	"time"
)

// over is what carries the streams of a workload.
type over struct {
	HTTP2 bool // in clear text, instead of HTTP/1.1
	TLS   bool // under HTTP/1.1
	Each  int  // streams of a connection
}

// carriedN are the streams of the workloads that are not carried by HTTP/1.1 in clear text: 1,000 connections over TLS,
// 100 and 500 over HTTP/2.
var carriedN = map[string]int{"tls": 1000, "h2-50": 5000, "h2-6": 3000}

// What the workloads are carried by.
var (
	clearText = over{Each: 1}
	secure    = over{TLS: true, Each: 1}
	manyEach  = over{HTTP2: true, Each: 50}
	fewEach   = over{HTTP2: true, Each: 6}
)

// protocols are those of the server.
func (o over) protocols() *http.Protocols {
	var p http.Protocols
	p.SetHTTP1(!o.HTTP2)
	p.SetUnencryptedHTTP2(o.HTTP2)
	return &p
}

// selfSigned returns the configuration of a server over TLS.
func selfSigned() (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, nil
}

// connectTLS opens a connection of one stream over TLS, which a goroutine reads.
func (r *readers) connectTLS(o order) error {
	// The servers are the second process's own, and their certificates last as long as they do.
	conn, err := tls.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", o.Port), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return err
	}
	if _, err := conn.Write(request(o.Path)); err != nil {
		return err
	}
	c := &reader{kind: fast, streams: 1, open: true}
	r.conns = append(r.conns, c)
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			r.took(c, buf[:n])
			if err != nil {
				r.mu.Lock()
				c.open = false
				r.mu.Unlock()
				return
			}
		}
	}()
	return nil
}

// The frames that a client of HTTP/2 sends (RFC 9113 §6).
const (
	frameHeaders      = 1
	frameSettings     = 4
	frameWindowUpdate = 8

	flagAck        = 1
	flagEndStream  = 1
	flagEndHeaders = 4

	settingInitialWindow = 4
	defaultWindow        = 1<<16 - 1
)

// requestsHTTP2 is all that a client of n streams sends over a connection: its windows are so large that it never has to
// enlarge them.
func requestsHTTP2(path string, n int) []byte {
	b := []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	window := binary.BigEndian.AppendUint16(nil, settingInitialWindow)
	b = appendFrame(b, frameSettings, 0, 0, binary.BigEndian.AppendUint32(window, math.MaxInt32))
	b = appendFrame(b, frameSettings, flagAck, 0, nil)
	b = appendFrame(b, frameWindowUpdate, 0, 0, binary.BigEndian.AppendUint32(nil, math.MaxInt32-defaultWindow))
	literal := func(b []byte, s string) []byte { return append(append(b, byte(len(s))), s...) }
	fields := []byte{0x80 | 2, 0x80 | 6}                                 // :method GET, :scheme http (RFC 7541, appendix A)
	fields = literal(append(fields, 4), path)                            // :path
	fields = literal(append(fields, 1), "127.0.0.1")                     // :authority
	fields = literal(append(fields, 0x0f, 19-0x0f), "text/event-stream") // accept
	for i := range n {
		b = appendFrame(b, frameHeaders, flagEndStream|flagEndHeaders, uint32(2*i+1), fields)
	}
	return b
}

func appendFrame(b []byte, kind, flags byte, stream uint32, payload []byte) []byte {
	b = append(b, byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload)), kind, flags)
	b = binary.BigEndian.AppendUint32(b, stream)
	return append(b, payload...)
}
