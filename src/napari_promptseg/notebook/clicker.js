// Picture of a plane that sends clicks and boxes, as fractions of its height and width.

const BUTTONS = ["commit", "undo", "redo", "discard", "choose"];
const TITLES = { choose: "other answer" };
const LEAST_DRAG = 4; // pixels; less is a click
const LEAST_WIDTH = 400; // pixels; smaller pictures are enlarged

function place(event, image) {
  const area = image.getBoundingClientRect();
  const fraction = (value, start, size) => Math.min(Math.max((value - start) / size, 0), 1);
  return [
    fraction(event.clientY, area.top, area.height),
    fraction(event.clientX, area.left, area.width),
  ];
}

function render({ model, el }) {
  const image = document.createElement("img");
  image.draggable = false;
  image.style.cssText = "cursor:crosshair;display:block;max-width:100%;touch-action:none";
  image.style.minWidth = `min(${LEAST_WIDTH}px, 80vw)`;
  image.style.imageRendering = "pixelated";
  const frame = document.createElement("div"); // of the box that is being drawn
  frame.style.cssText =
    "position:absolute;border:1px dashed #ff8c00;pointer-events:none;display:none";
  const canvas = document.createElement("div");
  canvas.style.cssText = "position:relative;width:fit-content;max-width:100%";
  canvas.append(image, frame);
  const status = document.createElement("div");
  status.setAttribute("role", "status");
  const tools = document.createElement("div");
  for (const name of BUTTONS) {
    const button = document.createElement("button");
    button.textContent = TITLES[name] ?? name;
    button.dataset.step = name;
    button.onclick = () => model.send({ do: name });
    tools.append(button);
  }
  model.get("sizes").forEach((size, axis) => {
    const slider = document.createElement("input");
    Object.assign(slider, { type: "range", min: 0, max: size - 1 });
    slider.setAttribute("aria-label", `plane along axis ${axis}`);
    const show = () => (slider.value = model.get("index")[axis]);
    slider.oninput = () => {
      const index = [...model.get("index")];
      index[axis] = Number(slider.value);
      model.set("index", index);
      model.save_changes();
    };
    model.on("change:index", show);
    show();
    tools.append(slider);
  });

  let begin = null;
  image.onpointerdown = (event) => {
    begin = { at: place(event, image), x: event.clientX, y: event.clientY };
    image.setPointerCapture(event.pointerId);
    event.preventDefault();
  };
  image.onpointermove = (event) => {
    if (begin === null) return;
    const area = image.getBoundingClientRect();
    const [left, right] = [begin.x, event.clientX].sort((a, b) => a - b);
    const [top, bottom] = [begin.y, event.clientY].sort((a, b) => a - b);
    Object.assign(frame.style, {
      display: "block",
      left: `${left - area.left}px`,
      top: `${top - area.top}px`,
      width: `${right - left}px`,
      height: `${bottom - top}px`,
    });
  };
  image.onpointercancel = () => {
    begin = null;
    frame.style.display = "none";
  };
  image.onpointerup = (event) => {
    frame.style.display = "none";
    if (begin === null) return;
    const positive = !event.shiftKey && event.button !== 2;
    const moved = Math.hypot(event.clientX - begin.x, event.clientY - begin.y);
    if (moved < LEAST_DRAG) model.send({ do: "click", at: begin.at, positive });
    else {
      const end = place(event, image);
      const corner = (choose) => [0, 1].map((i) => choose(begin.at[i], end[i]));
      model.send({ do: "box", from: corner(Math.min), to: corner(Math.max), positive });
    }
    begin = null;
  };
  image.oncontextmenu = (event) => event.preventDefault();

  const showImage = () => (image.src = model.get("image"));
  const showStatus = () => (status.textContent = model.get("status"));
  model.on("change:image", showImage);
  model.on("change:status", showStatus);
  showImage();
  showStatus();
  el.append(tools, canvas, status);
}

export default { render };
