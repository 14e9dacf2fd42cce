const ACTIONS = {
  copy: "Copy",
  edit: "Edit",
  regenerate: "Answer again",
  resume: "Continue",
  retry: "Try again",
  delete: "Delete this turn",
};

// One message of the history.
class Item extends Answer {
  constructor(panel, item) {
    const el = document.createElement("article");
    const unfolded = panel.kernel.unfolded;
    if (!unfolded.has(item.id)) unfolded.set(item.id, new Set());
    super(el, unfolded.get(item.id), (said) => {
      const [what, ...calls] = said.split(" ");
      panel.click(what, { id: item.id, call: calls.join(" ") });
    });
    this.el = el;
    this.panel = panel;
    this.item = item;
    el.className = `ck-item ck-${item.role}`;
    el.dataset.id = item.id;
    this.when = make("time", "", this.below);
    this.below.prepend(this.when);
    this.branch = make("span", "ck-branch", this.below);
    this.actions = make("span", "ck-actions", this.below);
    this.actions.role = "toolbar";
    this.actions.ariaLabel = "Actions";
    this.paint(item.sections, item.foot);
  }

  dress(content) {
    for (const pre of content.querySelectorAll("pre")) {
      const block = document.createElement("div"); // stays put while the code scrolls
      block.className = "ck-code";
      pre.replaceWith(block);
      block.append(pre);
      const it = button(block, "ck-icon ck-copy", "Copy code", "copy", async () => {
        await copy(pre.textContent);
        this.panel.say("Copied");
        copied(it);
      });
    }
  }

  foot(foot) {
    const { when, role, name, branch, does } = this.item;
    super.foot({ ...foot, buttons: foot.buttons.filter(([what]) => what !== "stop") });
    this.el.classList.toggle("ck-live", !foot.over);
    this.el.ariaLabel = [name, when && time(when)].filter(Boolean).join(", ");
    if (when) Object.assign(this.when, { dateTime: when, textContent: time(when), title: new Date(when).toLocaleString() });
    this.when.hidden = !foot.over && role === "assistant";
    if (this.done === JSON.stringify([branch, does])) return;
    this.done = JSON.stringify([branch, does]);
    this.switcher(branch);
    this.act(does);
  }

  switcher(branch) {
    this.branch.replaceChildren();
    if (!branch) return;
    const [at, count] = branch;
    const to = (index) => () => this.panel.click("switch", { id: this.item.id, to: index });
    button(this.branch, "ck-icon", "Previous branch", "left", to(at - 1)).disabled = at < 2;
    make("span", "", this.branch).textContent = `${at}/${count}`;
    button(this.branch, "ck-icon", "Next branch", "right", to(at + 1)).disabled = at >= count;
  }

  act(does) {
    this.actions.replaceChildren();
    for (const what of does.filter((what) => what in ACTIONS)) {
      const named = ["resume", "retry"].includes(what); // what is to be done next has words
      const shape = what === "retry" ? "regenerate" : what;
      const it = button(this.actions, named ? "ck-named" : "ck-icon", ACTIONS[what], shape, () =>
        this.panel.click(what === "edit" ? "ask_edit" : what, { id: this.item.id }),
      );
      it.dataset.what = what;
      if (named) it.append(ACTIONS[what]);
    }
    rove(this.actions);
  }
}

const NEAR = 600; // pixels from the top: there earlier messages are asked for

// The messages, and which of them are in view.
class History {
  constructor(parent, panel) {
    this.panel = panel;
    this.shown = new Map();
    this.stuck = true; // to the end
    this.top = 0;
    this.held = 0;
    this.el = make("div", "ck-history", parent);
    Object.assign(this.el, { role: "log", ariaLabel: "Conversation", tabIndex: 0 });
    this.list = make("div", "ck-list", this.el);
    this.earlier = button(this.list, "ck-earlier", "", null, () => this.more());
    this.empty = make("p", "ck-empty", this.list);
    this.empty.textContent = "Ask something to begin.";
    this.newest = button(parent, "ck-newest", "Newest", "end", () => this.toEnd());
    this.newest.append("Newest");
    this.el.addEventListener("scroll", () => this.scrolled(), { passive: true });
    const move = () => this.hold(null); // the reader's own goes first
    for (const kind of ["touchstart", "pointerdown", "keydown"])
      this.el.addEventListener(kind, move, { passive: true });
    this.el.addEventListener("wheel", () => this.aimed && move(), { passive: true });
    this.sizes = new ResizeObserver(() => this.settle());
    this.sizes.observe(this.list);
    this.sizes.observe(this.el);
    this.near = new IntersectionObserver(
      (seen) => seen.at(-1).isIntersecting && !this.stuck && this.more(),
      { root: this.el, rootMargin: `${NEAR}px 0px 0px` },
    );
    this.near.observe(this.earlier);
  }

  // Only the reader's own move up leaves the end: growing text must not.
  scrolled() {
    if (this.away || this.held) return;
    const { scrollTop, scrollHeight, clientHeight } = this.el;
    const rest = scrollHeight - clientHeight - scrollTop;
    if (scrollTop < this.top) this.stuck = rest < 2;
    else if (rest < 40) this.stuck = true;
    this.top = scrollTop;
    this.read = this.reading();
    this.newest.hidden = this.stuck;
    if (!this.stuck && scrollTop < NEAR) this.more(); // what is near the top already stays near
  }

  // The size has changed; or JupyterLab, which takes cells out of the page, has put this back.
  settle() {
    const back = this.away;
    this.away = !this.el.clientHeight;
    if (this.away) return;
    if (this.stuck) this.el.scrollTop = this.el.scrollHeight;
    else if (back) this.hold(this.read);
    this.top = this.el.scrollTop;
    this.newest.hidden = this.stuck;
  }

  // The first message in view, and where it is.
  reading() {
    const all = this.list.querySelectorAll("article");
    const edge = this.el.getBoundingClientRect().top;
    let [low, high] = [0, all.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (all[middle].getBoundingClientRect().bottom > edge) high = middle;
      else low = middle + 1;
    }
    const el = all[low];
    return el && { el, from: el.getBoundingClientRect().top - edge };
  }

  // Leave what is read where it is, while the browser finds out how high the messages above are.
  hold(read, frames = 4) {
    cancelAnimationFrame(this.held);
    if (!read?.el.isConnected || !frames) {
      this.el.style.overflowAnchor = "";
      this.held = 0;
      this.aimed = false;
      return;
    }
    this.read = read;
    this.el.style.overflowAnchor = "none"; // it would move it a second time
    const edge = this.el.getBoundingClientRect().top;
    this.el.scrollTop += read.el.getBoundingClientRect().top - edge - read.from;
    this.top = this.el.scrollTop;
    this.held = requestAnimationFrame(() => this.hold(read, frames - 1));
  }

  toEnd() {
    this.hold(null);
    this.stuck = true;
    this.settle();
  }

  more() {
    if (this.earlier.disabled || !this.panel.kernel.chat.earlier) return;
    this.earlier.disabled = true;
    this.panel.click("earlier");
  }

  // Show these items in this order, what is read staying where it is.
  order(fresh = {}) {
    const { order, known, chat } = this.panel.kernel;
    const read = this.stuck ? null : this.held ? this.read : this.reading();
    const held = focused(this.el);
    const place = held?.closest("article")?.dataset.id;
    const at = [...this.shown.keys()].indexOf(place);

    const wanted = new Set(order);
    for (const [id, { el, timer }] of this.shown)
      if (!wanted.has(id) || id in fresh) {
        clearInterval(timer);
        el.remove();
        this.shown.delete(id);
      }
    let next = this.empty.nextSibling;
    const shown = new Map();
    for (const id of order) {
      const item = this.shown.get(id) ?? new Item(this.panel, known.get(id));
      if (item.el === next) next = next.nextSibling;
      else this.list.insertBefore(item.el, next);
      shown.set(id, item);
    }
    this.shown = shown;
    this.empty.hidden = order.length > 0;
    this.counts();

    if (this.stuck) this.settle();
    else this.hold(read);
    if (at >= 0 && !held.isConnected) this.refocus([...shown.values()][at], held);
  }

  // What had the focus is gone: its like in the message that took the place has it now.
  refocus(item, { ariaLabel }) {
    const like = item?.el.querySelector(`button:enabled[aria-label="${ariaLabel}"]`);
    (like ?? item?.el.querySelector(".ck-branch button:enabled") ?? this.el).focus();
  }

  counts() {
    const { earlier } = this.panel.kernel.chat;
    this.earlier.hidden = !earlier;
    this.earlier.disabled = false;
    this.earlier.textContent = `Show earlier (${earlier?.toLocaleString()})`;
  }

  follow({ order, fresh, changes = [], items = {} }) {
    if (order) this.order(fresh);
    const { known } = this.panel.kernel;
    for (const [id, ...change] of changes)
      if (!(id in (fresh ?? {}))) this.shown.get(id)?.change(known.get(id).sections, change);
    for (const id in items) this.shown.get(id)?.foot(known.get(id).foot);
    this.el.ariaBusy = [...this.shown.values()].some(({ item }) => !item.foot.over);
  }

  reveal(id) {
    const el = this.shown.get(id)?.el;
    if (!el) return;
    this.stuck = false;
    const from = Math.max(0, (this.el.clientHeight - el.offsetHeight) / 2);
    this.hold({ el, from }, 30); // a jump far away: much is drawn for the first time
    this.aimed = true;
    el.classList.add("ck-flash");
    setTimeout(() => el.classList.remove("ck-flash"), 1600);
  }

  mark(id) {
    for (const [each, { el }] of this.shown) el.classList.toggle("ck-edited", each === id);
  }

  end() {
    this.sizes.disconnect();
    this.near.disconnect();
    this.shown.forEach(({ timer }) => clearInterval(timer));
  }
}
