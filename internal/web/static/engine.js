// When things are drawn: what has changed, once in an animation frame, and of that only what is in the window or near it.
// The browser has no frames for a page that is hidden, so that does nothing.

const NEAR = "50%"; // of the height of the window, above and below it
const SECOND = 1000; // ms after which ages and countdowns have changed

export class Engine {
  #before; #parts = new WeakMap(); // element -> its part
  #due = new Set(); // parts to draw
  #ticking = new Set(); // parts near the window that say how long ago something was
  #frame = 0; #second = 0;
  #near = new IntersectionObserver((entries) => this.#moved(entries), { rootMargin: `${NEAR} 0px` });

  /** before(whole) is called in each frame before parts are drawn; `whole` is set if a second has passed. */
  constructor(before) {
    this.#before = before;
    setInterval(() => this.#tick(), SECOND);
  }

  /**
   * Has draw() called for an element when it is touched, if it is near the window, or else when it comes there. With `ticks` it is touched
   * once a second as well.
   */
  add(node, draw, ticks = false) {
    this.#parts.set(node, { draw, ticks, near: false });
    this.#near.observe(node);
    this.touch(node);
  }

  /** Forgets an element. */
  drop(node) {
    const part = this.#parts.get(node);
    if (!part) return;
    this.#near.unobserve(node);
    this.#parts.delete(node);
    this.#due.delete(part);
    this.#ticking.delete(part);
  }

  /** Says that what an element shows has changed. */
  touch(node) {
    const part = this.#parts.get(node);
    if (part) this.#due.add(part);
    if (part?.near) this.wake();
  }

  /** Asks for a frame. */
  wake() {
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #tick() {
    this.#second++;
    for (const part of this.#ticking) this.#due.add(part);
    this.wake();
  }

  #draw() {
    this.#frame = 0;
    const whole = this.#second > 0;
    this.#second = 0;
    this.#before(whole);
    for (const part of this.#due) {
      if (!part.near) continue;
      this.#due.delete(part);
      part.draw();
    }
  }

  #moved(entries) {
    for (const { target, isIntersecting } of entries) {
      const part = this.#parts.get(target);
      if (!part) continue;
      part.near = isIntersecting;
      if (part.ticks && isIntersecting) this.#ticking.add(part);
      else this.#ticking.delete(part);
      if (isIntersecting && part.ticks) this.#due.add(part); // its age went on
    }
    this.wake();
  }
}
