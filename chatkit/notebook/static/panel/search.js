// Looking for words in the whole conversation, also where it is not loaded.
class Search {
  constructor(parent, panel) {
    this.panel = panel;
    this.el = make("div", "ck-search", parent);
    this.el.role = "search";
    this.el.hidden = true;
    const row = make("div", "ck-row", this.el);
    row.append(icon("search"));
    this.query = field("input", "", row, "Search this conversation", { placeholder: "Search this conversation" });
    this.query.oninput = () => this.ask();
    this.query.onkeydown = (event) => this.key(event);
    this.count = make("span", "ck-quiet", row);
    this.count.role = "status";
    button(row, "ck-icon", "Previous hit", "up", () => this.go(-1));
    button(row, "ck-icon", "Next hit", "down", () => this.go(1));
    button(row, "ck-icon", "Close search (Esc)", "close", () => this.close());
    this.hits = make("div", "ck-hits", this.el);
  }

  open() {
    this.el.hidden = false;
    this.query.select();
  }

  close() {
    if (this.el.hidden) return false;
    this.el.hidden = true;
    this.panel.click("close_search");
    this.panel.composer.text.focus();
    return true;
  }

  ask() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const query = this.query.value.trim();
      if (query) this.panel.click("search", { query });
      else this.show(null);
    }, 200);
  }

  key(event) {
    if (event.isComposing || event.key !== "Enter") return;
    event.preventDefault();
    this.go(event.shiftKey ? -1 : 1);
  }

  show(found = this.panel.kernel.found) {
    this.at = -1;
    this.hits.replaceChildren();
    for (const [at, { role, when, html }] of (found?.hits ?? []).entries()) {
      const hit = button(this.hits, "", "", null, () => this.to(at));
      make("span", "ck-quiet", hit).textContent = `${[role === "user" ? "You" : "Answer", when && time(when)].filter(Boolean).join(" · ")}`;
      make("span", "", hit).innerHTML = html;
    }
    rove(this.hits);
    const { total, hits } = found ?? {};
    this.count.textContent = !found ? "" : total ? `${total} found` + (total > hits.length ? `, ${hits.length} shown` : "") : "Nothing found";
  }

  go(step) {
    const { length } = this.hits.children;
    if (length) this.to((Math.max(this.at, step < 0 ? 0 : -1) + step + length) % length);
  }

  to(at) {
    const { hits, total } = this.panel.kernel.found;
    this.at = at;
    [...this.hits.children].forEach((hit, index) => (hit.ariaCurrent = index === at));
    this.hits.children[at].scrollIntoView({ block: "nearest" });
    this.count.textContent = `${at + 1} of ${total}`;
    this.panel.click("reveal", { id: hits[at].id });
  }
}
