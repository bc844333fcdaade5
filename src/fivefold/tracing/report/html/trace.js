"use strict";
(() => {
  const STEP_MS = 2500;
  const by = (id) => document.getElementById(id);
  const traces = JSON.parse(by("traces").textContent);
  const [player, drawing, play, position, says, choice] =
    ["player", "drawing", "play", "position", "says", "choice"].map(by);
  const last = Number(position.max);
  let shown = 0, step = 1, timer = null;

  const arrows = (number) => document.querySelectorAll(`.arrow[data-step="${number}"]`);
  const row = (number) => by(`trace-${shown}-step-${number}`);

  function show(number) {
    document.querySelectorAll(".now").forEach((element) => {
      element.classList.remove("now");
      element.removeAttribute("aria-current");
    });
    step = Math.min(Math.max(number, 1), last);
    arrows(step).forEach((arrow) => arrow.classList.add("now"));
    document.querySelectorAll(`.clock [data-step="${step}"]`).forEach((part) => part.classList.add("now"));
    row(step).classList.add("now");
    row(step).setAttribute("aria-current", "step");
    position.value = step;
    position.setAttribute("aria-valuetext", `${step} of ${last}: ${row(step).dataset.name}`);
    says.textContent = row(step).dataset.says;
  }

  function choose(index) {
    shown = index;
    traces[shown].steps.forEach((one) => arrows(one.step).forEach((arrow) => {
      arrow.classList.toggle("absent", !one.happened);
      arrow.querySelector(".time").textContent = row(one.step).dataset.took;
    }));
    document.querySelectorAll(".clock").forEach((clock) =>
      clock.toggleAttribute("hidden", clock.dataset.trace !== String(shown)));
    show(step);
  }

  function pause() {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  }

  function start() {
    show(step === last ? 1 : step);
    play.textContent = "Pause";
    timer = setInterval(() => {
      show(step + 1);
      if (step === last) pause();
    }, STEP_MS);
  }

  const toggle = () => (timer === null ? start() : pause());
  const go = (number) => { pause(); show(number); };

  const keys = {
    " ": toggle,
    ArrowRight: () => go(step + 1),
    ArrowDown: () => go(step + 1),
    ArrowLeft: () => go(step - 1),
    ArrowUp: () => go(step - 1),
    Home: () => go(1),
    End: () => go(last),
  };
  const scrolls = ["ArrowUp", "ArrowDown", "Home", "End"];

  function mine(event) {
    const key = event.key, target = event.target;
    if (!(key in keys) || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return false;
    if (target === document.body) return !scrolls.includes(key);
    if (!player.contains(target) || target === choice) return false;
    return !(key === " " && target.tagName === "BUTTON");
  }

  document.addEventListener("keydown", (event) => {
    if (!mine(event)) return;
    event.preventDefault();
    keys[event.key]();
  });
  play.addEventListener("click", toggle);
  by("previous").addEventListener("click", () => go(step - 1));
  by("next").addEventListener("click", () => go(step + 1));
  position.addEventListener("input", () => go(Number(position.value)));
  if (choice) choice.addEventListener("change", () => { pause(); choose(Number(choice.value)); });

  by("controls").hidden = false;
  if (choice) choice.value = "0";
  choose(0);
})();
