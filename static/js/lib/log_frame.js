// @ts-check
/** Parser of log frames; format: jobs/logstore/hub.py. Pure. */

const HEAD_BYTES = 12;
const TIME_BYTES = 16;

/**
 * @typedef {[number, number]} Time from this offset on bytes arrived at these milliseconds since the epoch
 * @typedef {{offset: number, times: Time[], bytes: Uint8Array}} Frame
 */

/** @param {ArrayBuffer} data @returns {Frame} */
export function readFrame(data) {
  const view = new DataView(data);
  const number = (/** @type {number} */ at) => Number(view.getBigUint64(at));
  const count = view.getUint32(8);
  /** @type {Time[]} */
  const times = Array.from({ length: count }, (_, i) => {
    const at = HEAD_BYTES + i * TIME_BYTES;
    return [number(at), number(at + 8)];
  });
  return { offset: number(0), times, bytes: new Uint8Array(data, HEAD_BYTES + count * TIME_BYTES) };
}
