package main

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"slices"
)

// chart is a picture of lines over two logarithmic axes.
type chart struct {
	title, xLabel, yLabel string
	format                func(float64) string // of y
	lines                 []line
}

type line struct {
	name   string
	points []point
}

type point struct{ x, y float64 }

// The picture in pixels: what is drawn lies between left and right, top and bottom; names stand to the right of it.
const (
	width, height            = 850, 440
	left, right, top, bottom = 90.0, 650.0, 56.0, 380.0
	lineHeight               = 18.0
)

// colours of the lines, which tell apart for the colour-blind too.
var colours = map[string]string{
	ours: "#0072b2", yardstick: "#e69f00", "Timer.Reset": "#8c6d1f", "gocron": "#d55e00", "robfig": "#009e73", "go-quartz": "#cc79a7",
}

const style = `<style>
text { font: 13px system-ui, sans-serif; fill: #333 }
.title { font-size: 16px; font-weight: 600 }
.ground { fill: #fff }
.grid { stroke: #ddd }
@media (prefers-color-scheme: dark) { text { fill: #ccc } .ground { fill: #15181c } .grid { stroke: #333 } }
</style>`

// svg draws the chart.
func (c chart) svg() []byte {
	var out bytes.Buffer
	p := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }

	xs, ys := logAxis{from: math.Inf(1), to: math.Inf(-1), at: left, end: right}, logAxis{from: math.Inf(1), to: math.Inf(-1), at: bottom, end: top}
	var ticks []float64 // of x: all that occur
	for _, l := range c.lines {
		for _, pt := range l.points {
			xs.include(pt.x)
			ys.include(pt.y)
			if !slices.Contains(ticks, pt.x) {
				ticks = append(ticks, pt.x)
			}
		}
	}
	ys.toDecades()

	p(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`, width, height, width, height)
	p(`<title>%s: %s by number of %s</title>`, html.EscapeString(c.title), html.EscapeString(c.yLabel), html.EscapeString(c.xLabel))
	p("%s", style)
	p(`<rect class="ground" width="%d" height="%d"/>`, width, height)
	p(`<text class="title" x="%v" y="26">%s: %s</text>`, left, html.EscapeString(c.title), html.EscapeString(c.yLabel))
	for _, v := range ticks {
		p(`<line class="grid" x1="%.1f" y1="%v" x2="%.1f" y2="%v"/>`, xs.pixel(v), top, xs.pixel(v), bottom)
		p(`<text x="%.1f" y="%v" text-anchor="middle">%s</text>`, xs.pixel(v), bottom+20, count(v))
	}
	for _, v := range ys.decades() {
		p(`<line class="grid" x1="%v" y1="%.1f" x2="%v" y2="%.1f"/>`, left, ys.pixel(v), right, ys.pixel(v))
		p(`<text x="%v" y="%.1f" text-anchor="end">%s</text>`, left-8, ys.pixel(v)+4, c.format(v))
	}
	p(`<text x="%v" y="%v" text-anchor="middle">%s</text>`, (left+right)/2, bottom+44, html.EscapeString(c.xLabel))

	// What is first lies on top.
	for i, l := range slices.Backward(c.lines) {
		colour, thick := colours[l.name], 1.8
		if i == 0 {
			thick = 3.6
		}
		var path bytes.Buffer
		for k, pt := range l.points {
			fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(k, 1)], xs.pixel(pt.x), ys.pixel(pt.y))
			p(`<circle cx="%.1f" cy="%.1f" r="%.1f" fill="%s"/>`, xs.pixel(pt.x), ys.pixel(pt.y), thick+0.8, colour)
		}
		p(`<path d="%s" fill="none" stroke="%s" stroke-width="%v" stroke-linejoin="round"/>`, path.String(), colour, thick)
	}
	for i, y := range c.nameHeights(ys) {
		if l := c.lines[i]; len(l.points) > 0 {
			last := l.points[len(l.points)-1]
			p(`<path d="M%.1f %.1fL%.1f %.1f" stroke="%s" stroke-dasharray="2 3"/>`, xs.pixel(last.x)+6, ys.pixel(last.y), right+14, y, colours[l.name])
			p(`<text x="%v" y="%.1f"><tspan fill="%s">●</tspan> %s</text>`, right+16, y+4, colours[l.name], html.EscapeString(title(l.name)))
		}
	}
	p(`</svg>`)
	return out.Bytes()
}

// nameHeights returns where the names of the lines stand: beside their ends, but not on one another.
func (c chart) nameHeights(ys logAxis) []float64 {
	heights := make([]float64, len(c.lines))
	var order []int // of the lines, from top to bottom
	for i, l := range c.lines {
		if len(l.points) > 0 {
			heights[i] = ys.pixel(l.points[len(l.points)-1].y)
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

// logAxis maps from..to, logarithmically, to the pixels at..end.
type logAxis struct{ from, to, at, end float64 }

func (a *logAxis) include(v float64) { a.from, a.to = min(a.from, v), max(a.to, v) }

// toDecades widens the axis to powers of ten.
func (a *logAxis) toDecades() {
	a.from, a.to = math.Pow(10, math.Floor(math.Log10(a.from))), math.Pow(10, math.Ceil(math.Log10(a.to)))
}

func (a logAxis) pixel(v float64) float64 {
	return a.at + (a.end-a.at)*math.Log(v/a.from)/math.Log(a.to/a.from)
}

// decades returns the powers of ten on the axis.
func (a logAxis) decades() []float64 {
	var decades []float64
	for v := math.Pow(10, math.Ceil(math.Log10(a.from)-1e-9)); v <= a.to*(1+1e-9); v *= 10 {
		decades = append(decades, v)
	}
	return decades
}
