// Which click each word of the kernel answers: it goes to every page, and only one has asked.
const ASKED_BY = {
  copied: ["copy"],
  download: ["export"],
  edit: ["ask_edit"],
  reveal: ["reveal"],
  sent: ["send", "save_edit"],
};

// What the kernel has told, and how it is told things; the views of one panel share it.
class Kernel {
  constructor(model) {
    this.model = model;
    this.views = new Set();
    this.unfolded = new Map(); // of each message: which folds are open
    this.asked = new Map(); // what was clicked: by which view
    this.waiting = new Map(); // clicks that have not arrived: their timers
    this.late = new Set(); // those of them that a busy kernel does not take
    this.clicks = Math.floor(Math.random() * 1e9); // other pages count theirs
    this.load();
    model.on("change:shown", () => this.load());
    model.on("msg:custom", (news, buffers) => this.hear(news, buffers));
    model.on("comm_live_update", () => this.end());
  }

  load() {
    this.missed = false;
    Object.assign(this, structuredClone(this.model.get("shown")));
    this.known = new Map(this.items.map((item) => [item.id, item]));
    this.order = this.items.map((item) => item.id);
    this.views.forEach((view) => view.load());
  }

  click(view, what, more = {}, buffers) {
    if (this.gone) return;
    const click = ++this.clicks;
    this.asked.set(what, view).set("last", view);
    this.waiting.set(click, setTimeout(() => this.wait(this.late.add(click)), 1500));
    this.model.send({ do: what, click, ...more }, undefined, buffers);
  }

  took(click) {
    clearTimeout(this.waiting.get(click));
    this.waiting.delete(click);
    this.late.delete(click);
    this.wait();
  }

  wait() {
    this.views.forEach((view) => view.composer.state());
  }

  hear(news, buffers) {
    if ("took" in news) return this.took(news.took);
    if (news.number === undefined) return this.answer(news, buffers);
    if (news.number <= this.number) return; // what was loaded last has it
    if (news.number !== this.number + 1) {
      if (!this.missed) this.model.send({ do: "tell" });
      this.missed = true; // as while a page loads
      return;
    }
    this.number = news.number;
    this.take(news);
    this.views.forEach((view) => view.follow(news));
  }

  take(news) {
    Object.assign(this.chat, news.chat);
    for (const [id, item] of Object.entries(news.fresh ?? {})) this.known.set(id, item);
    if (news.order) this.order = news.order;
    for (const [id, ...change] of news.changes ?? []) learn(this.known.get(id).sections, change);
    for (const [id, more] of Object.entries(news.items ?? {}))
      Object.assign(this.known.get(id), more);
    for (const key of ["files", "notice", "chats", "found"]) if (key in news) this[key] = news[key];
  }

  // The kernel's answer to one click, which only the view gets that was clicked.
  answer(news, buffers) {
    const [word] = Object.keys(news);
    const clicked = (ASKED_BY[word] ?? ["last"]).find((what) => this.asked.has(what));
    this.asked.get(clicked)?.[word]?.(news, buffers);
    if (clicked !== "last") this.asked.delete(clicked);
  }

  // Nobody waits for the answer to this click any more; whether somebody did.
  forget(what) {
    return this.asked.delete(what);
  }

  end() {
    this.gone = true;
    [...this.waiting.keys()].forEach((click) => this.took(click));
    for (const item of this.known.values())
      item.foot = { ...item.foot, over: true, since: null, buttons: [], ...(item.foot.over ? {} : { line: "Not finished" }) };
    this.chat.status = "error";
    this.views.forEach((view) => view.load());
  }
}
