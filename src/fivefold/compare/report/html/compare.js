"use strict";
(() => {
  const by = (id) => document.getElementById(id);
  const cells = JSON.parse(by("cells").textContent);
  const [figure, setting] = [by("figure"), by("setting")];

  function show() {
    const found = cells[setting.value][figure.value];
    document.querySelectorAll("#matrix td[data-name]").forEach((cell) => {
      const [text, heat] = found[cell.dataset.name] ?? ["-", null];
      cell.textContent = text;
      cell.className = heat === null ? "" : `heat-${heat}`;
    });
    by("shown").textContent = figure.selectedOptions[0].textContent;
    by("where").textContent = setting.value;
  }

  if (!by("matrix")) return;
  by("choices").hidden = false;
  figure.addEventListener("change", show);
  setting.addEventListener("change", show);
  show();
})();
