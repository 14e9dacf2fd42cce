// What the kernel has told of a comparison; the views of one table share it.
class Source extends Kernel {
  load() {
    this.missed = false;
    Object.assign(this, structuredClone(this.model.get("shown")));
    this.views.forEach((view) => view.load());
  }

  take(news) {
    for (const key of ["head", "grid", "page", "chat", "notice", "detail"]) if (key in news) this[key] = news[key];
    if (news.anew) this.rows = {};
    for (const place of news.gone ?? []) delete this.rows[place];
    Object.assign(this.rows, news.rows);
    for (const [place, column, cell] of news.cells ?? []) this.rows[place].cells[column] = cell;
    if (!this.detail) return;
    for (const change of news.changes ?? []) learn(this.detail.sections, change);
    if (news.foot) this.detail.foot = news.foot;
  }

  wait() {
    this.views.forEach((view) => view.hint());
  }

  end() {
    this.gone = true;
    [...this.waiting.keys()].forEach((click) => this.took(click));
    this.head = { ...this.head, over: true, held: "", notes: [], left: "" };
    this.views.forEach((view) => view.load());
  }
}
