// corner.js - a corner plot of samples as SVG: histograms on the diagonal, points below it.
"use strict";

const SVG = "http://www.w3.org/2000/svg";

function svgElement(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function bounds(values) {
  let low = Infinity, high = -Infinity;
  for (const v of values) { if (v < low) low = v; if (v > high) high = v; }
  const margin = (high - low || Math.abs(high) || 1) * 0.05;
  return [low - margin, high + margin];
}

function meanAndSd(values) {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / Math.max(1, values.length - 1);
  return [mean, Math.sqrt(variance)];
}

function histogram(group, values, [low, high], x, y, size) {
  const count = Math.max(8, Math.min(30, Math.round(Math.sqrt(values.length))));
  const bins = new Array(count).fill(0);
  for (const v of values) bins[Math.min(count - 1, Math.floor((v - low) / (high - low) * count))]++;
  const most = Math.max(...bins);
  bins.forEach((n, i) => {
    const height = size * 0.95 * n / most;
    group.append(svgElement("rect", {class: "histogram", x: x + size * i / count, y: y + size - height,
                                     width: size / count, height}));
  });
}

function scatter(group, across, up, boundsX, boundsY, x, y, size) {
  const step = Math.max(1, Math.floor(across.length / 600));
  for (let i = 0; i < across.length; i += step) {
    group.append(svgElement("circle", {
      class: "point", r: 1.5, cx: x + size * (across[i] - boundsX[0]) / (boundsX[1] - boundsX[0]),
      cy: y + size - size * (up[i] - boundsY[0]) / (boundsY[1] - boundsY[0])}));
  }
}

// columns: {name: [values]}; all of the same length.
function drawCorner(svg, columns) {
  const names = Object.keys(columns), n = names.length, cell = 90, left = 60, top = 24;
  svg.replaceChildren();
  if (!n || columns[names[0]].length < 2) return;
  svg.setAttribute("viewBox", `0 0 ${left + n * cell + 10} ${top + n * cell + 30}`);
  const range = names.map(name => bounds(columns[name]));
  for (let row = 0; row < n; row++) {
    for (let column = 0; column <= row; column++) {
      const x = left + column * cell, y = top + row * cell, size = cell - 6, group = svgElement("g", {});
      if (row === column) histogram(group, columns[names[row]], range[row], x, y, size);
      else scatter(group, columns[names[column]], columns[names[row]], range[column], range[row], x, y, size);
      group.append(svgElement("rect", {class: "frame", x, y, width: size, height: size}));
      svg.append(group);
    }
    const [mean, sd] = meanAndSd(columns[names[row]]);
    const title = svgElement("text", {x: left + row * cell, y: top + row * cell - 4});
    title.textContent = `${names[row]} ${mean.toPrecision(3)} ± ${sd.toPrecision(2)}`;
    const below = svgElement("text", {x: left + row * cell, y: top + n * cell + 12});
    below.textContent = names[row];
    svg.append(title, below);
    if (row) {
      const beside = svgElement("text", {x: 2, y: top + row * cell + cell / 2});
      beside.textContent = names[row];
      svg.append(beside);
    }
  }
}
