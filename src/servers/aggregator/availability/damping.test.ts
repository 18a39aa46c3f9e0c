import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Damping } from './damping.ts'

/** Plays probes against a belief that follows what is accepted. @returns the belief after each. */
function play(believed: boolean | undefined, probes: string): string {
  const damping = new Damping()
  let now = believed
  return probes
    .split('')
    .map((p) => {
      const passed = p === '+'
      if (damping.accepts('a', now, passed)) now = passed
      return now ? '+' : '-'
    })
    .join('')
}

const rows: readonly { name: string; believed: boolean | undefined; probes: string; want: string }[] = [
  { name: 'the first probe decides', believed: undefined, probes: '-', want: '-' },
  { name: 'two failures are not enough', believed: true, probes: '--+--', want: '+++++' },
  { name: 'three in a row are', believed: true, probes: '---', want: '++-' },
  { name: 'one pass is not enough', believed: false, probes: '+-+-', want: '----' },
  { name: 'two in a row are', believed: false, probes: '++', want: '-+' },
  { name: 'every second probe failing changes nothing', believed: true, probes: '-+-+-+-+-+', want: '++++++++++' },
]
for (const { name, believed, probes, want } of rows) {
  test(`damping: ${name}`, () => assert.equal(play(believed, probes), want))
}
