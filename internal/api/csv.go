package api

import (
	"encoding/csv"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/negotiate"
)

// The media type of CSV (RFC 4180).
const csvType = "text/csv"

// wantsCSV reports whether a request asks for CSV rather than JSON: by its query, or else by what it accepts.
func wantsCSV(r *http.Request) (bool, error) {
	switch format := r.URL.Query().Get("format"); format {
	case "csv":
		return true, nil
	case "json":
		return false, nil
	case "":
		return negotiate.Accept(r.Header, negotiate.JSON, csvType) == csvType, nil
	default:
		return false, fmt.Errorf("format=%s is neither csv nor json", format)
	}
}

// writeCSV answers with buckets, one a line. What is not known is empty.
func writeCSV(w http.ResponseWriter, name, field string, buckets []archive.Bucket) {
	file := name
	if field != "" {
		file += "-" + field
	}
	h := w.Header()
	h.Set("Content-Type", csvType+"; charset=utf-8; header=present")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": file + ".csv"}))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Add("Vary", "Accept")
	out := csv.NewWriter(w)
	out.UseCRLF = true // RFC 4180 §2
	_ = out.Write([]string{"time", "value", "min", "max", "mean", "count"})
	line := make([]string, 6)
	for _, b := range buckets {
		count := ""
		if b.Count > 0 {
			count = strconv.Itoa(b.Count)
		}
		line = append(line[:0], b.At.UTC().Format("2006-01-02T15:04:05.000Z07:00"), number(b.Last), number(b.Min), number(b.Max), number(b.Mean), count)
		if out.Write(line) != nil {
			return // the client is gone
		}
	}
	out.Flush()
}

// number is x as CSV has it; NaN is empty.
func number(x float64) string {
	if x != x {
		return ""
	}
	return strconv.FormatFloat(x, 'g', -1, 64)
}

// utc is a time as JSON has it.
func utc(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
