// From samples of counts that only grow to what happened in each minute. Nothing here touches the page.

const COUNTS = ["ok", "blocked", "cancelled", "failed", "prompt_tokens", "completion_tokens"];
const BIN_SECONDS = 60;
const BINS = 60;

export class Samples {
  constructor() {
    this.samples = [];
    this.bounds = [];
  }

  /** The time of the last sample; the server is asked for what came after it. */
  get last() {
    return this.samples.at(-1)?.at ?? 0;
  }

  /** Take up an answer of the server. Counts that fell tell that it was started anew. */
  add({ samples, bounds }) {
    this.bounds = bounds;
    for (const sample of samples) {
      if (sample.at <= this.last) continue;
      if (COUNTS.some((name) => sample[name] < (this.samples.at(-1)?.[name] ?? 0))) this.samples = [];
      this.samples.push(sample);
    }
    const old = this.last - (BINS + 1) * BIN_SECONDS;
    while (this.samples.length > 1 && this.samples[1].at < old) this.samples.shift();
  }

  /** The last hour by minutes, the minute that ends now last. */
  bins() {
    const end = this.last;
    return Array.from({ length: BINS }, (_, index) => {
      const to = end - (BINS - 1 - index) * BIN_SECONDS;
      return this.between(to - BIN_SECONDS, to);
    });
  }

  /** The last hour in one. */
  hour() {
    return this.between(this.last - BINS * BIN_SECONDS, this.last);
  }

  between(from, to) {
    const first = this.at(from);
    const last = this.at(to);
    const bin = { from, to, durations: {} };
    for (const name of COUNTS) bin[name] = last[name] - first[name];
    for (const [stage, buckets] of Object.entries(last.durations)) {
      bin.durations[stage] = buckets.map((count, index) => count - (first.durations[stage]?.[index] ?? 0));
    }
    return bin;
  }

  /** The last sample up to a time, or the first there is. */
  at(time) {
    return this.samples.findLast((sample) => sample.at <= time) ?? this.samples[0];
  }
}

export const chats = (bin) => bin.ok + bin.blocked + bin.cancelled + bin.failed;
export const tokens = (bin) => bin.prompt_tokens + bin.completion_tokens;

/** The time within which a share of durations lay, estimated within its bucket; null if there are none. */
export function quantile(buckets, bounds, share) {
  const total = (buckets ?? []).reduce((sum, count) => sum + count, 0);
  if (!total) return null;
  let below = 0;
  for (const [index, count] of buckets.entries()) {
    if (count && below + count >= share * total) {
      const from = bounds[index - 1] ?? 0;
      const to = bounds[index] ?? bounds.at(-1);
      return from + ((to - from) * (share * total - below)) / count;
    }
    below += count;
  }
  return bounds.at(-1);
}
