/** What the registry has to reach, as a share of each peer's rate. */
const LIMITS = {
  manifest: { 'docker-registry': 50, nginx: 0.4 },
  blob: { nginx: 0.8 },
};

/** The middle one; of an even number, the mean of the two in the middle. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Medians of every scenario and contender, with the ratio of ours to each peer and what the limits say of it. */
export function summarize(scenarios, names, rounds) {
  return scenarios.map(({ title, family, unit, cpuUnit }, index) => {
    const of = (name, field) => rounds.map((round) => round[index][name][field]);
    const rows = names.map((name) => ({
      name,
      rate: median(of(name, 'rate')),
      lowest: Math.min(...of(name, 'rate')),
      highest: Math.max(...of(name, 'rate')),
      cpu: median(of(name, 'cpu')),
    }));
    const [ours, ...peers] = rows;
    return {
      title,
      unit,
      cpuUnit,
      rows,
      ratios: peers.map((peer) => {
        const ratio = ours.rate / peer.rate;
        const limit = LIMITS[family][peer.name];
        const verdict = limit === undefined ? {} : { limit, met: ratio >= limit };
        return { peer: peer.name, ratio, cpuRatio: peer.cpu / ours.cpu, ...verdict };
      }),
    };
  });
}

/** The summary as two Markdown tables. */
export function printable(summary) {
  const rates = [['', 'server', 'median', 'rounds', 'server CPU']];
  const ratios = [['', 'beside', 'rate', 'limit', '', 'by CPU']];
  for (const { title, unit, cpuUnit, rows, ratios: found } of summary) {
    for (const [index, row] of rows.entries()) {
      rates.push([
        index === 0 ? title : '',
        row.name,
        `${figure(row.rate)} ${unit}`,
        `${figure(row.lowest)} – ${figure(row.highest)}`,
        `${figure(row.cpu)} ${cpuUnit}`,
      ]);
    }
    for (const [index, { peer, ratio, limit, met, cpuRatio }] of found.entries()) {
      const verdict = limit === undefined ? ['', ''] : [`≥ ${limit}`, met ? 'met' : 'NOT MET'];
      ratios.push([index === 0 ? title : '', peer, figure(ratio), ...verdict, figure(cpuRatio)]);
    }
  }
  return `${table(rates)}\n\n${table(ratios)}`;
}

function figure(value) {
  if (value >= 100) return String(Math.round(value));
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(3, ...rows.map((row) => [...row[column]].length)));
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const padded = rows.map((row) =>
    line(row.map((cell, column) => cell + ' '.repeat(widths[column] - [...cell].length))),
  );
  return [padded[0], line(widths.map((width) => '-'.repeat(width))), ...padded.slice(1)].join('\n');
}
