/** Draws numbers and list entries. The same seed draws the same ones again. */
export type Draw = { number: (below: number) => number; of: <T>(list: readonly T[]) => T }

/** A draw that starts from a seed (mulberry32). */
export function drawing(seed: number): Draw {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  const number = (below: number) => Math.floor(next() * below)
  return {
    number,
    of: (list) => {
      const found = list[number(list.length)]
      if (found === undefined) throw new Error('nothing to draw from')
      return found
    },
  }
}
