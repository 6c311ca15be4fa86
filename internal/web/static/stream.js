// The one event stream of the page, and the state of its connection.
//
// A browser's EventSource comes back by itself after most losses, at the pace
// that the server asks for with `retry:`. Three losses it does not survive,
// and Stream reopens it: an answer other than 200 closes it for good, a dead
// network path leaves it open and silent, and a page that comes back from the
// back-forward cache finds it closed. Whoever opens anew gets the newest
// snapshots first, so reopening costs little and loses nothing.

const SILENCE = 60_000; // ms without an event after which the path counts as dead
const HIDDEN = 60_000; // ms after which a hidden page gives its connection back
const BACKOFF = { first: 1_000, most: 30_000 }; // ms between attempts of our own

export class Stream {
  #url; #on; #source = null;
  #failures = 0; #retry = 0; #watchdog = 0; #asleep = 0;

  /**
   * Prepares a stream; open() starts it. Of `on`, `event` gets each snapshot,
   * `fresh` is called whenever what was known may be outdated (a connection
   * began, or the server says `reset`), and `state` gets "connecting", "live"
   * or "reconnecting" with the time (ms since the epoch) of the next attempt
   * where it is known.
   */
  constructor(url, on) {
    this.#url = url;
    this.#on = on;
    addEventListener("pagehide", () => this.close());
    addEventListener("pageshow", (e) => e.persisted && this.open());
    addEventListener("online", () => this.#retry && this.open());
    document.addEventListener("visibilitychange", () => {
      clearTimeout(this.#asleep);
      if (document.hidden) this.#asleep = setTimeout(() => this.close(), HIDDEN);
      else if (!this.#source && !this.#retry) this.open();
    });
  }

  /** Connects, in place of the connection or the attempt that there was. */
  open() {
    this.close();
    const source = this.#source = new EventSource(this.#url);
    source.onopen = () => {
      this.#failures = 0;
      this.#heard();
      this.#on.state("live");
      this.#on.fresh();
    };
    source.onmessage = (e) => {
      this.#heard();
      this.#on.event(JSON.parse(e.data));
    };
    source.addEventListener("reset", () => {
      this.#heard();
      this.#on.fresh();
    });
    // The server drains: it closes this stream in a moment, and the browser
    // comes back when the `retry:` that it sent has passed.
    source.addEventListener("bye", () => this.#on.state("reconnecting"));
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED) this.#on.state("reconnecting");
      else this.#reopen();
    };
    this.#heard();
  }

  /** Ends the connection, or the wait for the next one. */
  close() {
    this.#source?.close();
    this.#source = null;
    clearTimeout(this.#retry);
    clearTimeout(this.#watchdog);
    this.#retry = 0;
  }

  #reopen() {
    this.close();
    // Full jitter over the upper half: a thousand pages do not return at once.
    const most = Math.min(BACKOFF.most, BACKOFF.first * 2 ** this.#failures++);
    const delay = most / 2 + (Math.random() * most) / 2;
    this.#on.state("reconnecting", Date.now() + delay);
    this.#retry = setTimeout(() => this.open(), delay);
  }

  #heard() {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => this.open(), SILENCE);
  }
}
