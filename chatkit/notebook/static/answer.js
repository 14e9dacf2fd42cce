// One message in a page: what the kernel has made safe, put in its place as it changes. Shared by
// the view of an answer and the panel: Python puts it before either of their scripts.
const make = (tag, name, parent) => {
  const element = parent.appendChild(document.createElement(tag));
  element.className = name;
  return element;
};
const FOLD = "fold "; // how the kind of a section begins that is folded; its title follows

// Take in a change of `sections`, a list of [kind, blocks].
const learn = (sections, [number, kind, at, keep, more]) => {
  if (kind === null) return sections.splice(number);
  const [, blocks] = (sections[number] ??= [kind, []]);
  const kept = keep ? blocks[at].slice(0, keep) : "";
  blocks.splice(at, Infinity, ...more);
  if (kept) blocks[at] = kept + blocks[at];
};

class Answer {
  constructor(el, unfolded, click, look = "") {
    this.unfolded = unfolded;
    this.click = click;
    this.answer = make("div", `chatkit chatkit-answer ${look}`, el);
    this.notices = make("div", `chatkit ${look}`, el);
    this.below = make("div", "chatkit-foot", el);
    this.line = make("span", "chatkit-line", this.below);
    this.clock = make("span", "", this.below);
    this.buttons = make("span", "chatkit-buttons", this.below);
    this.sections = [];
  }

  // What a view of its own kind adds to the blocks before they are shown.
  dress(content) {}

  paint(sections, foot) {
    this.drop(0);
    sections.forEach(([kind, blocks], number) => this.section(number, kind, blocks, 0));
    this.foot(foot);
  }

  // Show a change that `sections` has taken in.
  change(sections, [number, kind, at]) {
    if (kind === null) this.drop(number);
    else this.section(number, kind, sections[number][1], at);
  }

  // Show the blocks of a section, from one of them on.
  section(number, kind, blocks, at) {
    this.sections[number] ??= kind.startsWith(FOLD)
      ? this.fold(number, kind.slice(FOLD.length))
      : this.open(this.answer);
    const { nodes, end } = this.sections[number];
    nodes.splice(at).flat().forEach((node) => node.remove());
    for (const block of blocks.slice(at)) {
      const template = document.createElement("template");
      template.innerHTML = block;
      this.dress(template.content);
      nodes.push([...template.content.childNodes]);
      end.before(template.content);
    }
  }

  open(parent) {
    return { parent, nodes: [], end: parent.appendChild(document.createComment("")) };
  }

  fold(number, title) {
    const fold = make("details", "", this.answer);
    fold.open = this.unfolded.has(number);
    fold.ontoggle = () => this.unfolded[fold.open ? "add" : "delete"](number);
    make("summary", "", fold).textContent = title;
    return this.open(fold);
  }

  drop(number) {
    for (const { parent, nodes, end } of this.sections.splice(number)) {
      [...nodes.flat(), end].forEach((node) => node.remove());
      if (parent !== this.answer) parent.remove();
    }
  }

  foot({ over, line, since, notices, buttons, each }) {
    this.answer.setAttribute("aria-busy", !over);
    this.line.classList.toggle("chatkit-live", !over);
    if (this.line.textContent !== line) this.line.textContent = line;
    if (this.told !== notices) {
      this.told = this.notices.innerHTML = notices;
      for (const asked of this.notices.querySelectorAll("[data-call]")) {
        const place = make("div", "chatkit-buttons", asked);
        this.offer(place, each, ` ${asked.dataset.call}`);
      }
    }
    if (this.offered !== `${buttons}`) {
      this.offered = `${buttons}`;
      this.offer(this.buttons, buttons);
    }
    clearInterval(this.timer);
    this.since = since;
    if (since) this.timer = setInterval(() => this.tick(), 1000);
    this.tick();
  }

  offer(place, buttons, about = "") {
    place.replaceChildren();
    for (const [what, label] of buttons) {
      const button = make("button", "", place);
      button.textContent = label;
      button.onclick = () => {
        for (const each of place.children) each.disabled = true;
        this.click(what + about);
      };
    }
  }

  tick() {
    const seconds = this.since && Math.round((Date.now() - this.since) / 1000);
    this.clock.textContent = seconds > 0 ? ` · ${seconds} s` : "";
  }
}
