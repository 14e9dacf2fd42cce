// What opens over the panel: one at a time, closed by Esc or a click beside it.
class Layer {
  constructor(panel, name, role, label, opener) {
    Object.assign(this, { panel, opener });
    this.el = make("div", name, panel.root);
    this.el.role = role;
    this.el.ariaLabel = label;
    opener.ariaExpanded = true;
    this.beside = ({ target }) => {
      if (!this.el.contains(target) && !opener.contains(target)) this.close(false);
    };
    document.addEventListener("pointerdown", this.beside);
  }

  drawer(title) {
    const head = make("div", "ck-row", this.el);
    make("h3", "", head).textContent = title;
    button(head, "ck-icon", "Close (Esc)", "close", () => this.close());
    return this;
  }

  close(back = true) {
    document.removeEventListener("pointerdown", this.beside);
    this.opener.ariaExpanded = false;
    this.el.remove();
    this.panel.layer = null;
    if (back) this.opener.focus();
  }
}
