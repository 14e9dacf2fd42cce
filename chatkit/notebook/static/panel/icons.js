// The panel's icons, each one line drawn on 16 x 16.
const DRAWN = {
  attach: "M13 7.4l-5.3 5.3a3.2 3.2 0 0 1-4.5-4.5l5.6-5.6a2.1 2.1 0 0 1 3 3l-5.6 5.6a1 1 0 0 1-1.5-1.5l5-5",
  chats: "M2.5 4h11M2.5 8h11M2.5 12h6.5",
  check: "M3 8.5l3.2 3.2L13 4.8",
  close: "M4 4l8 8M12 4l-8 8",
  copy: "M7 5.5h5A1.5 1.5 0 0 1 13.5 7v5a1.5 1.5 0 0 1-1.5 1.5H7A1.5 1.5 0 0 1 5.5 12V7A1.5 1.5 0 0 1 7 5.5M10.5 5.5V4A1.5 1.5 0 0 0 9 2.5H4A1.5 1.5 0 0 0 2.5 4v5A1.5 1.5 0 0 0 4 10.5h1.5",
  delete: "M3 4.5h10M6.3 4.5v-2h3.4v2M4.4 4.5l.6 9h6l.6-9M6.8 7v4M9.2 7v4",
  down: "M4.5 6.5L8 10l3.5-3.5",
  edit: "M3 13l.7-2.8l7.1-7.1a1.3 1.3 0 0 1 1.9 0l.2.2a1.3 1.3 0 0 1 0 1.9l-7.1 7.1z",
  end: "M8 3v9.5M3.8 8.3L8 12.5l4.2-4.2",
  left: "M10 4.5L6.5 8l3.5 3.5",
  more: "M3.4 8h.01M8 8h.01M12.6 8h.01",
  plus: "M8 3v10M3 8h10",
  regenerate: "M13.2 2.8v3.4H9.8M13 6.1A5.3 5.3 0 1 0 13.2 9.2",
  resume: "M5 3.5l7 4.5l-7 4.5z",
  right: "M6 4.5L9.5 8L6 11.5",
  search: "M7 2.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 0 0 0-9M10.4 10.4l3.1 3.1",
  send: "M8 13V3.5M3.8 7.7L8 3.5l4.2 4.2",
  stop: "M5 5h6v6H5z",
  up: "M4.5 9.5L8 6l3.5 3.5",
};

const icon = (shape) => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  svg.appendChild(document.createElementNS(svg.namespaceURI, "path")).setAttribute("d", DRAWN[shape]);
  return svg;
};
