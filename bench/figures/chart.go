package figures

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"slices"
)

// Chart is a picture of lines.
type Chart struct {
	Title string
	X, Y  Axis
	Lines []Line // the first one lies on top
}

// Axis is one of a chart's.
type Axis struct {
	Label  string
	Linear bool // from 0; otherwise logarithmic
	Format func(float64) string
}

// Line is one of a chart's.
type Line struct {
	Name   string
	Colour string
	Bold   bool
	Points []Point
}

// Point is one of a line's.
type Point struct{ X, Y float64 }

// Palette are colours that the colour-blind can tell apart too.
var Palette = []string{"#0072b2", "#e69f00", "#8c6d1f", "#d55e00", "#009e73", "#cc79a7", "#56b4e9"}

// The picture in pixels: what is drawn lies between left and right, top and bottom; names stand to the right of it.
const (
	width, height            = 850, 440
	left, right, top, bottom = 90.0, 650.0, 56.0, 380.0
	lineHeight               = 18.0
)

const style = `<style>
text { font: 13px system-ui, sans-serif; fill: #333 }
.title { font-size: 16px; font-weight: 600 }
.ground { fill: #fff }
.grid { stroke: #ddd }
@media (prefers-color-scheme: dark) { text { fill: #ccc } .ground { fill: #15181c } .grid { stroke: #333 } }
</style>`

// picture is one that is being drawn.
type picture struct{ bytes.Buffer }

func (p *picture) add(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

// begin draws what every picture has. about is read to those who do not see it.
func (p *picture) begin(title, about string, height int) {
	p.add(
		`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`,
		width, height, width, height,
	)
	p.add(`<title>%s</title>`, html.EscapeString(about))
	p.add("%s", style)
	p.add(`<rect class="ground" width="%d" height="%d"/>`, width, height)
	p.add(`<text class="title" x="%v" y="26">%s</text>`, left, html.EscapeString(title))
}

// SVG draws the chart.
// It is long because each part of the picture has its lines.
func (c Chart) SVG() []byte {
	xs, ys := newScale(c.X, left, right), newScale(c.Y, bottom, top)
	var all []float64 // x that occur
	for _, l := range c.Lines {
		for _, pt := range l.Points {
			xs.include(pt.X)
			ys.include(pt.Y)
			if !slices.Contains(all, pt.X) {
				all = append(all, pt.X)
			}
		}
	}
	ys.widen()

	var p picture
	p.begin(c.Title+": "+c.Y.Label, c.Title+": "+c.Y.Label+" by "+c.X.Label, height)
	ticks := all
	if c.X.Linear {
		ticks = xs.ticks()
	}
	for _, v := range ticks {
		p.add(`<line class="grid" x1="%.1f" y1="%v" x2="%.1f" y2="%v"/>`, xs.pixel(v), top, xs.pixel(v), bottom)
		p.add(`<text x="%.1f" y="%v" text-anchor="middle">%s</text>`, xs.pixel(v), bottom+20, c.X.Format(v))
	}
	for _, v := range ys.ticks() {
		p.add(`<line class="grid" x1="%v" y1="%.1f" x2="%v" y2="%.1f"/>`, left, ys.pixel(v), right, ys.pixel(v))
		p.add(`<text x="%v" y="%.1f" text-anchor="end">%s</text>`, left-8, ys.pixel(v)+4, c.Y.Format(v))
	}
	p.add(`<text x="%v" y="%v" text-anchor="middle">%s</text>`, (left+right)/2, bottom+44, html.EscapeString(c.X.Label))

	for _, l := range slices.Backward(c.Lines) {
		thick := 1.8
		if l.Bold {
			thick = 3.6
		}
		var path bytes.Buffer
		for k, pt := range l.Points {
			fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(k, 1)], xs.pixel(pt.X), ys.pixel(pt.Y))
			p.add(
				`<circle cx="%.1f" cy="%.1f" r="%.1f" fill="%s"/>`, xs.pixel(pt.X), ys.pixel(pt.Y), thick+0.8, l.Colour,
			)
		}
		p.add(
			`<path d="%s" fill="none" stroke="%s" stroke-width="%v" stroke-linejoin="round"/>`, path.String(), l.Colour,
			thick,
		)
	}
	for i, y := range c.nameHeights(ys) {
		if l := c.Lines[i]; len(l.Points) > 0 {
			last := l.Points[len(l.Points)-1]
			p.add(
				`<path d="M%.1f %.1fL%.1f %.1f" stroke="%s" stroke-dasharray="2 3"/>`, xs.pixel(last.X)+6,
				ys.pixel(last.Y), right+14, y, l.Colour,
			)
			p.add(
				`<text x="%v" y="%.1f"><tspan fill="%s">●</tspan> %s</text>`, right+16, y+4, l.Colour,
				html.EscapeString(l.Name),
			)
		}
	}
	p.add(`</svg>`)
	return p.Bytes()
}

// nameHeights returns where the names of the lines stand: beside their ends, but not on one another.
func (c Chart) nameHeights(ys scale) []float64 {
	heights := make([]float64, len(c.Lines))
	var order []int // of the lines, from top to bottom
	for i, l := range c.Lines {
		if len(l.Points) > 0 {
			heights[i] = ys.pixel(l.Points[len(l.Points)-1].Y)
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		if heights[a] < heights[b] {
			return -1
		}
		return 1
	})
	for k := 1; k < len(order); k++ {
		heights[order[k]] = max(heights[order[k]], heights[order[k-1]]+lineHeight)
	}
	for k, limit := len(order)-1, bottom; k >= 0; k, limit = k-1, limit-lineHeight {
		heights[order[k]] = min(heights[order[k]], limit)
	}
	return heights
}

// BarChart is a picture of values that are compared.
type BarChart struct {
	Title  string
	Format func(float64) string
	Values []Value
}

// Value is a bar of a BarChart.
type Value struct {
	Name   string
	Colour string
	V      float64
}

// SVG draws the chart, with the values in their order from top to bottom.
func (c BarChart) SVG() []byte {
	const barLeft, rowHeight = 260.0, 34
	xs := newScale(Axis{Linear: true}, barLeft, float64(width)-100)
	for _, v := range c.Values {
		xs.include(v.V)
	}
	var p picture
	p.begin(c.Title, c.Title, int(top)+rowHeight*len(c.Values)+10)
	for i, v := range c.Values {
		y := top + rowHeight*float64(i)
		p.add(`<text x="%v" y="%v" text-anchor="end">%s</text>`, barLeft-10, y+16, html.EscapeString(v.Name))
		p.add(`<rect x="%v" y="%v" width="%.1f" height="22" fill="%s"/>`, barLeft, y, xs.pixel(v.V)-barLeft, v.Colour)
		p.add(`<text x="%.1f" y="%v">%s</text>`, xs.pixel(v.V)+8, y+16, c.Format(v.V))
	}
	p.add(`</svg>`)
	return p.Bytes()
}

// scale maps from..to to the pixels at..end.
type scale struct {
	linear            bool
	from, to, at, end float64
}

func newScale(a Axis, at, end float64) scale {
	s := scale{linear: a.Linear, from: math.Inf(1), to: math.Inf(-1), at: at, end: end}
	if a.Linear {
		s.from = 0
	}
	return s
}

func (s *scale) include(v float64) { s.from, s.to = min(s.from, v), max(s.to, v) }

// widen widens the scale to end at a tick.
func (s *scale) widen() {
	if s.linear {
		s.to = s.step() * math.Ceil(s.to/s.step())
		return
	}
	s.from, s.to = math.Pow(10, math.Floor(math.Log10(s.from))), math.Pow(10, math.Ceil(math.Log10(s.to)))
}

func (s scale) pixel(v float64) float64 {
	if s.linear {
		return s.at + (s.end-s.at)*v/s.to
	}
	return s.at + (s.end-s.at)*math.Log(v/s.from)/math.Log(s.to/s.from)
}

// step is the distance of the ticks of a linear scale: 1, 2 or 5 times a power of ten, for five to ten of them.
func (s scale) step() float64 {
	step := math.Pow(10, math.Floor(math.Log10(s.to)))
	for _, part := range []float64{0.1, 0.2, 0.5} {
		if s.to/(step*part) <= 10 {
			return step * part
		}
	}
	return step
}

// ticks are the powers of ten on a logarithmic scale, and multiples of step on a linear one.
func (s scale) ticks() []float64 {
	var ticks []float64
	if s.linear {
		for i := 0.0; i*s.step() <= s.to*(1+1e-9); i++ {
			ticks = append(ticks, i*s.step())
		}
		return ticks
	}
	for v := math.Pow(10, math.Ceil(math.Log10(s.from)-1e-9)); v <= s.to*(1+1e-9); v *= 10 {
		ticks = append(ticks, v)
	}
	return ticks
}
