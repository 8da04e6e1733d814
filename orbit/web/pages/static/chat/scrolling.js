// Following an answer while it grows, unless the reader scrolls back.

const NEAR = 96;
const MARGIN = 16;
const ROOM = 240; // for the question box, and the beginning of what follows the text

export class Scrolling {
  /** `button` leads back to the end; `content` is what grows. */
  constructor(button, content) {
    this.button = button;
    this.growing = false;
    this.following = true;
    this.root = document.documentElement;
    this.top = this.root.scrollTop;
    addEventListener("scroll", () => this.look(), { passive: true });
    addEventListener("resize", () => this.look(), { passive: true });
    button.addEventListener("click", () => this.toEnd());
    new ResizeObserver(() => {
      if (this.growing && this.following) this.toEnd();
      else this.look();
    }).observe(content);
  }

  /** An answer begins: show its end from now on. */
  begin() {
    this.growing = true;
    this.toEnd();
  }

  /** The answer is complete: what grows from now on, grows because the reader opens it. Its text stays in sight. */
  end(text) {
    if (this.following) {
      this.toEnd();
      const bar = document.querySelector(".bar").getBoundingClientRect().bottom;
      const { top, bottom, height } = text.getBoundingClientRect();
      const hidden = bar + MARGIN - top;
      const below = this.root.clientHeight - bottom;
      if (height && hidden > 0 && below > 0) this.root.scrollTop -= Math.min(hidden, Math.max(0, below - ROOM));
    }
    this.growing = false;
    this.look();
  }

  toEnd() {
    this.root.scrollTop = this.root.scrollHeight;
    this.look();
  }

  look() {
    const { scrollHeight, clientHeight, scrollTop } = this.root;
    const near = scrollHeight - clientHeight - scrollTop < NEAR;
    // Only the reader scrolls back. An answer that has grown since the last look moves nothing.
    if (near) this.following = true;
    else if (scrollTop < this.top) this.following = false;
    this.top = scrollTop;
    this.button.hidden = near;
  }
}
