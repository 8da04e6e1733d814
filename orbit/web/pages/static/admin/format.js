// Numbers, times and sizes as people read them.

const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const AGO = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });
const NUMBER = new Intl.NumberFormat();
const COMPACT = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const STEPS = [
  [60, "second", 1],
  [3600, "minute", 60],
  [86_400, "hour", 3600],
  [7 * 86_400, "day", 86_400],
];

/** Times are Unix seconds. */
export const date = (at) => DATE.format(at * 1000);
export const moment = (at) => MOMENT.format(at * 1000);
export const clock = (at) => CLOCK.format(at * 1000);
export const number = (value) => NUMBER.format(value);
export const compact = (value) => COMPACT.format(value);

/** "3 min. ago", or the date of what is older than a week. */
export function ago(at) {
  const seconds = at - Date.now() / 1000;
  for (const [limit, unit, size] of STEPS) {
    if (Math.abs(seconds) < limit) return AGO.format(Math.round(seconds / size), unit);
  }
  return date(at);
}

/** "1 file", "2 files". */
export function counted(value, one, many = `${one}s`) {
  return `${number(value)} ${value === 1 ? one : many}`;
}

/** "0.45 s", "12 s", "3 min". */
export function duration(seconds) {
  if (seconds >= 120) return `${Math.round(seconds / 60)} min`;
  if (seconds >= 10) return `${Math.round(seconds)} s`;
  if (seconds >= 1) return `${seconds.toFixed(1)} s`;
  return seconds >= 0.001 ? `${Math.round(seconds * 1000)} ms` : "0 ms";
}

/** "12 MB". */
export function bytes(value) {
  const units = ["bytes", "kB", "MB", "GB"];
  let size = value;
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${size >= 10 || unit === 0 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`;
}
