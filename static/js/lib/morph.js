// @ts-check
/** Makes nodes like others, and leaves alone what is alike already. */

/**
 * Make the children `old` of `parent` like `fresh`.
 * @param {Node} parent
 * @param {Node[]} old
 * @param {Node[]} fresh
 * @param {Node | null} after the node behind them
 * @returns {Node[]} what stands there now
 */
export function morph(parent, old, fresh, after) {
  const kept = fresh.map((node, index) => {
    const before = old[index];
    if (before && become(before, node)) return before;
    if (before) parent.replaceChild(node, before);
    else parent.insertBefore(node, after);
    return node;
  });
  for (const node of old.slice(fresh.length)) parent.removeChild(node);
  return kept;
}

/** @param {Node} old @param {Node} fresh @returns {boolean} false: another node has to take its place */
function become(old, fresh) {
  if (old.isEqualNode(fresh)) return true;
  if (old instanceof Text && fresh instanceof Text) {
    if (fresh.data.startsWith(old.data)) old.appendData(fresh.data.slice(old.length));
    else old.data = fresh.data;
    return true;
  }
  if (!(old instanceof Element && fresh instanceof Element) || old.tagName !== fresh.tagName) return false;
  if (old.matches(".tex")) return false;
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  morph(old, [...old.childNodes], [...fresh.childNodes], null);
  return true;
}
