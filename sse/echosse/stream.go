package echosse

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// stream runs serve on the response of c. If serve fails, the headers are unchanged.
func stream(c echo.Context, serve func(http.ResponseWriter, *http.Request) error) error {
	res, r := c.Response(), c.Request()
	before := res.Header().Clone()
	res.Header().Set(echo.HeaderCacheControl, "no-cache")
	if r.ProtoMajor == 1 { // forbidden in HTTP/2 (RFC 9113 §8.2.2)
		res.Header().Set(echo.HeaderConnection, "keep-alive")
	}
	err := serve(writer{res}, r)
	if err != nil {
		clear(res.Header())
		for key, values := range before {
			res.Header()[key] = values
		}
	}
	return err
}

// writer writes through Echo's Response, which records what is sent, and lets an [http.ResponseController] bypass it to
// flush and set deadlines: Response.Flush panics where it should fail, and drops errors.
type writer struct{ res *echo.Response }

func (w writer) Header() http.Header         { return w.res.Header() }
func (w writer) WriteHeader(status int)      { w.res.WriteHeader(status) }
func (w writer) Write(b []byte) (int, error) { return w.res.Write(b) }

func (w writer) Unwrap() http.ResponseWriter { return w.res.Writer }
