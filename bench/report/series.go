package main

import "github.com/tidewire/tidewire/bench/figures"

const ours, yardstick = "smartpoll", "AfterFunc"

var peers = []string{"gocron", "robfig", "go-quartz"}

var everyone = append([]string{ours, yardstick}, peers...)

// colours of the series in pictures.
var colours = map[string]string{
	ours: figures.Palette[0], yardstick: figures.Palette[1], "Timer.Reset": figures.Palette[2],
	"gocron": figures.Palette[3], "robfig": figures.Palette[4], "go-quartz": figures.Palette[5],
}

// title is the name of a series for a reader.
func title(series string) string {
	switch series {
	case yardstick:
		return "time.AfterFunc + mutex"
	case "robfig":
		return "robfig/cron"
	case "cycle":
		return "hot cycle"
	case "deliver":
		return "delivery"
	}
	return series
}
