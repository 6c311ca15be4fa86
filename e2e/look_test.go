package e2e_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tidewire/tidewire/internal/web/fixture"
)

// The page is taken to pictures, in both colour schemes, on a phone and on a wall; with UPDATE_SCREENSHOTS=1 they are those of
// docs/images.
func TestPictures(t *testing.T) {
	for name, v := range map[string]view{
		"page": {scheme: "dark", width: 1440, height: 1080}, "page-light": {scheme: "light", width: 1440, height: 1080},
		"page-mobile": {scheme: "dark", width: 390, height: 844, scale: 2}, "page-tiles": {scheme: "light", width: 1440, height: 900},
	} {
		t.Run(name, func(t *testing.T) {
			set := fixture.Plant(13)
			query := ""
			if name == "page-tiles" {
				set, query = fixture.Plant(500), "density=tiles"
			}
			p := open(t, newPageOf(t, set).url+query, v)
			p.await(`connection() === "live" && document.querySelector(".spark path, .dots i")`)
			p.readable()
			images := t.ArtifactDir()
			if os.Getenv("UPDATE_SCREENSHOTS") != "" {
				images = filepath.Join("..", "docs", "images")
			}
			p.save(filepath.Join(images, name+".png"))
		})
	}
}

// usable checks that every control has a name, which contains what is seen of it (WCAG 2.2, 2.5.3), that regions can be told
// apart by theirs, that the buttons of cards and forms are large enough to be touched (WCAG 2.2,
// 2.5.5), and that no two elements have the same id.
func (p *page) usable() {
	p.t.Helper()
	for _, bad := range eval[[]string](p, `(() => {
		const seen = (selector) => [...document.querySelectorAll(selector)].filter((n) => n.checkVisibility());
		const says = (n) => n.ariaLabel || n.innerText?.trim() || [...(n.labels ?? [])].some((label) => label.textContent.trim());
		const ids = [...document.querySelectorAll("[id]")].map((n) => n.id);
		return [
			...seen("button, a, input, select, summary, progress").filter((n) => !says(n)).map((n) => "no name: " + n.outerHTML.slice(0, 100)),
			...seen("[aria-label]").filter((n) => n.matches("button, a") && !n.ariaLabel.includes(n.innerText.trim())).map((n) => "says other than it shows: " + n.outerHTML.slice(0, 100)),
			...seen("[role=region]").map((n) => n.ariaLabel).filter((name, i, all) => name === "Table" || all.indexOf(name) !== i).map((name) => "a region by the name of another: " + name),
			...seen(".card button, dialog button, dialog input[type=text], dialog select")
				.filter((n) => n.getBoundingClientRect().height < 44).map((n) => "too small: " + n.outerHTML.slice(0, 100)),
			...ids.filter((id, i) => ids.indexOf(id) !== i).map((id) => "twice: #" + id),
		];
	})()`) {
		p.t.Error(bad)
	}
}

// readable checks that every visible text has a contrast of at least 4.5 to what is
// behind it (WCAG 2.2, 1.4.3).
func (p *page) readable() {
	p.t.Helper()
	for _, poor := range eval[[]string](p, `(() => {
		const context = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
		const rgba = (color) => {
			context.clearRect(0, 0, 1, 1);
			context.fillStyle = color;
			context.fillRect(0, 0, 1, 1);
			const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
			return [r, g, b, a / 255];
		};
		const over = ([r, g, b, a], [x, y, z]) => [r * a + x * (1 - a), g * a + y * (1 - a), b * a + z * (1 - a), 1];
		const behind = (node) => {
			if (!node) return [255, 255, 255, 1];
			const own = rgba(getComputedStyle(node).backgroundColor);
			return own[3] === 1 ? own : over(own, behind(node.localName === "dialog" ? null : node.parentElement));
		};
		const light = (color) => color.slice(0, 3).map((c) => c / 255)
			.map((c) => (c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4))
			.reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
		const poor = [];
		const texts = document.createTreeWalker(document.querySelector("dialog[open]") ?? document.body, NodeFilter.SHOW_TEXT);
		while (texts.nextNode()) {
			const node = texts.currentNode.parentElement;
			if (!texts.currentNode.data.trim() || !node.checkVisibility() || node.closest(".sr, noscript")) continue;
			const ground = behind(node);
			const pair = [light(over(rgba(getComputedStyle(node).color), ground)), light(ground)].sort((a, b) => b - a);
			const contrast = (pair[0] + .05) / (pair[1] + .05);
			if (contrast < 4.5) poor.push(contrast.toFixed(2) + " " + node.outerHTML.slice(0, 80));
		}
		return poor;
	})()`) {
		p.t.Errorf("too little contrast: %s", poor)
	}
}
