// Text packed for a tab's storage, which counts characters and holds about five million of them: compressed, and 15 bits
// in each character.

const BITS = 15;
const FIRST = 0x20; // below are control characters, which JSON writes with six letters each
const AT_ONCE = 8192;

/** The packed text, or null if the browser cannot compress. */
export async function pack(text) {
  if (typeof CompressionStream === "undefined") return null;
  const bytes = await through(new Blob([text]), new CompressionStream("gzip"));
  const codes = new Uint16Array(Math.ceil((bytes.length * 8) / BITS));
  let count = 0;
  let held = 0;
  let bits = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    if (bits < BITS) continue;
    bits -= BITS;
    codes[count++] = FIRST + (held >> bits);
    held &= (1 << bits) - 1;
  }
  if (bits) codes[count++] = FIRST + (held << (BITS - bits));
  let packed = `${bytes.length}:`;
  for (let start = 0; start < count; start += AT_ONCE) {
    packed += String.fromCharCode(...codes.subarray(start, Math.min(count, start + AT_ONCE)));
  }
  return packed;
}

/** The text that was packed. */
export async function unpack(packed) {
  const colon = packed.indexOf(":");
  const bytes = new Uint8Array(Number(packed.slice(0, colon)));
  let count = 0;
  let held = 0;
  let bits = 0;
  for (let place = colon + 1; place < packed.length; place++) {
    held = (held << BITS) | (packed.charCodeAt(place) - FIRST);
    bits += BITS;
    while (bits >= 8 && count < bytes.length) {
      bits -= 8;
      bytes[count++] = held >> bits;
      held &= (1 << bits) - 1;
    }
  }
  return new TextDecoder().decode(await through(new Blob([bytes]), new DecompressionStream("gzip")));
}

async function through(blob, transform) {
  return new Uint8Array(await new Response(blob.stream().pipeThrough(transform)).arrayBuffer());
}
