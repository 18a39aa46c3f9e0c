import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WatchFrames } from './watch-frames.ts'

const rows: readonly {
  name: string
  type: string
  chunks: readonly (string | number[])[]
  ends: readonly boolean[]
}[] = [
  {
    name: 'JSON',
    type: 'application/json',
    chunks: ['{"a":1}\n', '{"b"', ':2}\n{"c":', '3}\n'],
    ends: [true, false, false, true],
  },
  {
    name: 'protobuf',
    type: 'application/vnd.kubernetes.protobuf;stream=watch',
    chunks: [
      [0, 0, 0, 2, 10, 10],
      [0, 0],
      [0, 1],
      [10, 0, 0, 0, 0],
    ],
    ends: [true, false, false, true],
  },
]
for (const { name, type, chunks, ends } of rows) {
  test(`WatchFrames: the ends of ${name} events, however they are cut`, () => {
    const frames = new WatchFrames(type)
    assert.equal(frames.atEnd, true)
    const seen = chunks.map((chunk) => {
      frames.seen(typeof chunk === 'string' ? Buffer.from(chunk) : Uint8Array.from(chunk))
      return frames.atEnd
    })
    assert.deepEqual(seen, ends)
  })
}
