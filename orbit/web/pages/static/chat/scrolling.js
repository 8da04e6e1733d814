// Following the answer while it grows, unless the reader has scrolled away from its end.

const NEAR = 96;

export class Scrolling {
  /** `button` leads back to the end. */
  constructor(button) {
    this.button = button;
    this.following = true;
    this.root = document.documentElement;
    addEventListener("scroll", () => this.look(), { passive: true });
    addEventListener("resize", () => this.look(), { passive: true });
    button.addEventListener("click", () => this.toEnd());
    new ResizeObserver(() => (this.following ? this.toEnd() : this.look())).observe(document.getElementById("conversation"));
  }

  look() {
    const left = this.root.scrollHeight - this.root.clientHeight - this.root.scrollTop;
    this.following = left < NEAR;
    this.button.hidden = this.following;
  }

  toEnd() {
    this.following = true;
    this.root.scrollTop = this.root.scrollHeight;
  }

  /** Opening a source is reading, not following. */
  rest() {
    this.following = false;
  }
}
