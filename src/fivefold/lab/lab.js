"use strict";
// The addresses of all that is asked for begin with the token, as this page's own does.
const says = document.getElementById("says");
const buttons = document.querySelectorAll("[data-experiment]");
const sides = [...document.querySelectorAll("[data-side]")];
const selects = document.querySelectorAll("select");

async function ask(path, values) {
  const answer = await fetch(`${path}?${new URLSearchParams(values)}`, { method: "POST" });
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.problem);
  return found;
}

function show(side, findings) {
  side.querySelector(".found").replaceChildren(...findings.flatMap(([what, how]) => {
    const name = document.createElement("dt"), value = document.createElement("dd");
    name.textContent = what;
    value.textContent = how;
    return [name, value];
  }));
}

let busy = false;

async function during(words, act) {
  busy = true;
  for (const each of [...buttons, ...selects]) each.disabled = true;
  says.textContent = words;
  try {
    says.textContent = await act();
  } catch (error) {
    says.textContent = `It could not be done: ${error.message}`;
  }
  for (const each of [...buttons, ...selects]) each.disabled = false;
  busy = false;
}

for (const button of buttons) {
  const title = button.textContent;
  button.addEventListener("click", () => during(`${title} … ${button.dataset.shows}`, async () => {
    const found = await ask("make", { experiment: button.dataset.experiment });
    sides.forEach((side, number) => show(side, found[number]));
    return `${title}: done.`;
  }));
}

function follow(state) {
  // Another tab may have changed a pair; a pair that did not start has changed nothing.
  sides.forEach((side, number) => {
    const [serving, io] = side.querySelectorAll("select");
    const frame = side.querySelector("iframe"), live = `${state[number].live}/`;
    [serving.value, io.value] = [state[number].serving, state[number].io];
    if (frame.src === live) return;
    show(side, []);
    frame.src = live;
  });
}

for (const side of sides) {
  const [serving, io] = side.querySelectorAll("select");
  const change = () => during("The other pair starts …", async () => {
    const pair = `${serving.value}+${io.value}`;
    follow(await ask("pair", { side: side.dataset.side, pair }));
    return `${pair} serves.`;
  });
  serving.addEventListener("change", change);
  io.addEventListener("change", change);
}

const following = setInterval(async () => {
  if (busy) return;
  let state;
  try {
    state = await (await fetch("state")).json();
  } catch {
    clearInterval(following);
    for (const each of [...buttons, ...selects]) each.disabled = true;
    says.textContent = "The lab has ended, and both servers with it. Start it again: fivefold lab";
    return;
  }
  if (!busy) follow(state);
}, 2000);
