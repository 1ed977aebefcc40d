"use strict";
// Moves through a gallery, and shows or hides heat and outlines. Without it every exhibit stands on the page in full.
(() => {
  const root = document.documentElement;
  const controls = document.querySelector(".controls");
  if (!controls) return;
  const gallery = document.querySelector("[data-gallery]");
  const exhibits = gallery ? [...gallery.querySelectorAll("article.exhibit")] : [];
  const button = (name) => controls.querySelector(`[data-do="${name}"]`);
  const place = controls.querySelector(".place");
  let last = -1; // the exhibit seen last, so that the grid is left and found again at the same place

  const current = () => exhibits.findIndex((exhibit) => `#${exhibit.id}` === location.hash);

  const open = (index) => {
    if (index >= 0 && index < exhibits.length) location.hash = exhibits[index].id;
  };

  const next = () => open(current() < 0 ? Math.max(last, 0) : current() + 1);
  const previous = () => open(current() < 0 ? last : current() - 1);

  const grid = () => {
    if (current() >= 0) location.hash = "main";
  };

  const toggle = (name) => {
    if (!button(name)) return;
    const hidden = root.classList.toggle(`no-${name}`);
    button(name).setAttribute("aria-pressed", String(!hidden));
  };

  const show = () => {
    const index = current();
    root.dataset.view = index < 0 ? "grid" : "single";
    exhibits.forEach((exhibit, at) => exhibit.classList.toggle("current", at === index));
    button("previous").disabled = index === 0;
    button("next").disabled = index === exhibits.length - 1;
    place.textContent = index < 0 ? `${exhibits.length} in all` : `${index + 1} of ${exhibits.length}`;
    if (index >= 0) {
      exhibits[index].focus({ preventScroll: true });
      window.scrollTo(0, gallery.getBoundingClientRect().top + window.scrollY - controls.offsetHeight - 8);
    } else if (last >= 0) {
      exhibits[last].querySelector("header a").focus();
    }
    if (index >= 0) last = index;
  };

  const actions = {
    next, previous, grid,
    heat: () => toggle("heat"),
    contours: () => toggle("contours"),
  };
  const keys = {
    j: "next", n: "next", ArrowRight: "next", k: "previous", ArrowLeft: "previous",
    g: "grid", Escape: "grid", h: "heat", c: "contours",
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(keys, event.key)) return;
    const arrow = event.key.startsWith("Arrow");
    if (arrow && event.target.closest(".scroll")) return; // there the arrows scroll a wide table
    if (!button(keys[event.key])) return;
    event.preventDefault();
    actions[keys[event.key]]();
  });
  controls.addEventListener("click", (event) => {
    const pressed = event.target.closest("[data-do]");
    if (pressed) actions[pressed.dataset.do]();
  });

  controls.hidden = false;
  if (!exhibits.length) return;
  window.addEventListener("hashchange", show);
  show();
})();
