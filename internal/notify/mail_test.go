package notify_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	netmail "net/mail"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/internal/notify"
)

// A postOffice is a server that speaks as much SMTP as a test needs, and misbehaves as it is told. The e2e tests have a
// real one.
type postOffice struct {
	host string
	port int
	hung chan struct{} // has one when the server has begun to say nothing

	mu      sync.Mutex // guards the fields below
	letters []string
	said    []string          // by the client
	says    map[string]string // what it answers to a word of the client, instead of what it should
}

func newPostOffice(t *testing.T, says map[string]string) *postOffice {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	host, port, _ := net.SplitHostPort(listener.Addr().String())
	p := &postOffice{host: host, says: says, hung: make(chan struct{}, 10)}
	p.port, _ = strconv.Atoi(port)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go p.serve(conn)
		}
	}()
	return p
}

func (p *postOffice) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	say := func(word, usual string) bool {
		p.mu.Lock()
		other, ok := p.says[word]
		p.mu.Unlock()
		if !ok {
			other = usual
		}
		if other == "endless" {
			line := strings.Repeat("250-hunter2 and so on ", 200) + "\r\n"
			for {
				if _, err := io.WriteString(conn, line); err != nil {
					return false
				}
			}
		}
		if other == "hang" {
			p.hung <- struct{}{}
			_, _ = io.Copy(io.Discard, conn)
			return false
		}
		_, err := io.WriteString(conn, other)
		return err == nil && other != ""
	}
	in := bufio.NewReader(conn)
	if !say("", "220 post.example ESMTP\r\n") {
		return
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		p.mu.Lock()
		p.said = append(p.said, strings.TrimSpace(line))
		p.mu.Unlock()
		word := strings.ToUpper(strings.TrimSpace(line))
		if strings.HasPrefix(word, "RCPT") {
			if strings.Contains(line, "gone@") {
				word = "GONE"
			} else {
				word = "RCPT"
			}
		} else if i := strings.IndexByte(word, ' '); i > 0 {
			word = word[:i]
		}
		usual := "250 2.0.0 ok\r\n"
		switch word {
		case "EHLO":
			usual = "250-post.example\r\n250-AUTH PLAIN\r\n250 8BITMIME\r\n"
		case "AUTH":
			usual = "235 2.7.0 welcome\r\n"
		case "GONE":
			usual = "550 5.1.1 no such user\r\n"
		case "DATA":
			usual = "354 go on\r\n"
		case "QUIT":
			usual = "221 bye\r\n"
		}
		if !say(word, usual) {
			return
		}
		if word == "DATA" && p.says["DATA"] == "" {
			letter := ""
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				if line == ".\r\n" {
					break
				}
				letter += line
			}
			p.mu.Lock()
			p.letters = append(p.letters, letter)
			p.mu.Unlock()
			if !say(".", "250 2.0.0 queued\r\n") {
				return
			}
		}
	}
}

// mail is a receiver that the server serves.
func (p *postOffice) mail(to ...string) *notify.Mail {
	m := &notify.Mail{Host: p.host, Port: p.port, TLS: notify.NoTLS, From: &netmail.Address{Name: "Tidewire", Address: "t@example.com"}}
	for _, one := range to {
		m.To = append(m.To, &netmail.Address{Address: one})
	}
	return m
}

func TestMail(t *testing.T) {
	p := newPostOffice(t, nil)
	to := p.mail("a@example.com", "b@example.com")
	to.User, to.Password = "me", "hunter2"
	m := severe()
	m.Summary = "Über 90 %\r\nBcc: evil@example.com"
	m.Text = ".\r\n.\r\nMAIL FROM:<evil@example.com>\x1b[31m"
	for range 2 {
		if err := to.Send(t.Context(), nil, m); err != nil {
			t.Fatal(err)
		}
	}
	if len(p.letters) != 2 {
		t.Fatalf("%d letters", len(p.letters))
	}
	letter, err := netmail.ReadMessage(strings.NewReader(p.letters[0]))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(letter.Body)
	h := letter.Header
	if h.Get("Bcc") != "" || h.Get("Subject") != "=?UTF-8?q?=C3=9Cber_90_%_Bcc:_evil@example.com?=" || h.Get("To") != "<a@example.com>, <b@example.com>" ||
		h.Get("From") != `"Tidewire" <t@example.com>` || h.Get("Auto-Submitted") != "auto-generated" || h.Get("Importance") != "high" ||
		h.Get("Date") != "Sat, 21 Nov 2026 18:41:00 +0000" || !strings.HasSuffix(h.Get("Message-Id"), "@example.com>") {
		t.Errorf("the header is %q", h)
	}
	if !strings.Contains(string(body), link) || strings.ContainsRune(string(body), 0x1b) {
		t.Errorf("the body is %q", body)
	}
	again, err := netmail.ReadMessage(strings.NewReader(p.letters[1]))
	if err != nil || again.Header.Get("Message-Id") != h.Get("Message-Id") {
		t.Errorf("sent again it is another one: %v and %v, %v", h.Get("Message-Id"), again.Header.Get("Message-Id"), err)
	}
	for _, said := range p.said {
		if strings.Contains(said, "evil") {
			t.Errorf("the message became a command: %s", said)
		}
	}
}

// What a mail server does wrong is an error that says whether to try again, without the password.
func TestErrorsOfMail(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		says       map[string]string
		to         []string
		permanent  bool
	}{
		{"auth", "535 5.7.8 bad ***", map[string]string{"AUTH": "535 5.7.8 bad hunter2\r\n"}, nil, true},
		{"auth in another form", "535 5.7.8 bad ***", map[string]string{"AUTH": "535 5.7.8 bad AG1lAGh1bnRlcjI=\r\n"}, nil, true},
		{"auth in parts", "535 5.7.8 bad ***", map[string]string{"AUTH": "535 5.7.8 bad aHVudGVyMg==\r\n"}, nil, true},
		{"out of turn", "the server answers out of turn: 354 go on", map[string]string{"MAIL": "354 go on\r\n"}, nil, false},
		{"from", "450 4.7.1 later", map[string]string{"MAIL": "450 4.7.1 later\r\n"}, nil, false},
		{"nobody", "550 5.1.1 no such user", nil, []string{"gone@example.com"}, true},
		{"somebody", "not accepted for gone@example.com: 550 5.1.1 no such user", nil, []string{"gone@example.com", "a@example.com"}, true},
		{"data", "554 5.0.0 no", map[string]string{"DATA": "554 5.0.0 no\r\n"}, nil, true},
		{"end", "451 4.3.0 disk full", map[string]string{".": "451 4.3.0 disk full\r\n"}, nil, false},
		{"no answer to the end", "the connection closed before the answer was complete", map[string]string{".": ""}, nil, false},
		{"closed", "the connection closed before the answer was complete", map[string]string{"": ""}, nil, false},
		{"endless", "smtp: EHLO/HELO exchange failed. EHLO response: the server says more than a mail server should, HELO response: the server says more than a mail server should", map[string]string{"EHLO": "endless"}, nil, false},
		{"endless greeting", "the server says more than a mail server should", map[string]string{"": "endless"}, nil, false},
		{"endless reply", "the server says more than a mail server should", map[string]string{"MAIL": "endless"}, nil, false},
		{"quit", "", map[string]string{"QUIT": "500 no\r\n"}, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPostOffice(t, tt.says)
			if tt.to == nil {
				tt.to = []string{"a@example.com"}
			}
			to := p.mail(tt.to...)
			to.User, to.Password = "me", "hunter2"
			err := to.Send(t.Context(), nil, severe())
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			want := fmt.Sprintf("mail to %s:%d: %s", p.host, p.port, tt.want)
			e, ok := err.(*notify.Error)
			if !ok || err.Error() != want || e.Permanent != tt.permanent {
				t.Errorf("%v: %#v, want %s, permanent: %v", err, e, want, tt.permanent)
			}
		})
	}
}

// Without STARTTLS of the server, neither the password nor the mail is sent.
func TestMailIsNotSentInPlainText(t *testing.T) {
	p := newPostOffice(t, nil)
	to := p.mail("a@example.com")
	to.TLS, to.User, to.Password = notify.StartTLS, "me", "hunter2"
	err := to.Send(t.Context(), nil, severe())
	if err == nil || !strings.Contains(err.Error(), "STARTTLS") || len(p.letters) > 0 {
		t.Errorf("Send = %v", err)
	}
	for _, said := range p.said {
		if strings.HasPrefix(said, "AUTH") || strings.HasPrefix(said, "MAIL") {
			t.Errorf("the client says %s", said)
		}
	}
}

// A mail server that does not answer is left at once when the call is broken off.
func TestAMailServerThatHangs(t *testing.T) {
	for _, word := range []string{"", "EHLO", "DATA", "."} {
		p := newPostOffice(t, map[string]string{word: "hang"})
		to := p.mail("a@example.com")
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			<-p.hung
			cancel(errors.New("tidewire is stopping"))
		}()
		err := to.Send(ctx, nil, severe())
		e, ok := err.(*notify.Error)
		if !ok || e.Permanent || !strings.HasSuffix(err.Error(), ": tidewire is stopping") {
			t.Errorf("at %q: %v, %#v", word, err, e)
		}
		cancel(nil)
	}
}

func TestMailIsShown(t *testing.T) {
	to := &notify.Mail{Host: "smtp.example.com", TLS: notify.StartTLS, User: "me", Password: "hunter2",
		From: &netmail.Address{Address: "t@example.com"}, To: []*netmail.Address{{Name: "Ops", Address: "o@example.com"}}}
	got, err := to.Show(severe())
	want := "mail by smtp.example.com:587 (tls: starttls) as me\nFrom: <t@example.com>\nTo: \"Ops\" <o@example.com>\nSubject: " + summary + "\n\n" +
		summary + "\n\n" + since + "\n\n" + link + "\n"
	if err != nil || got != want {
		t.Errorf("Show = %s, %v, want %s", got, err, want)
	}
}
