import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { generatedPages } from '../../scripts/docs.ts'

test('pages that come from the code are up to date', async (t) => {
  for (const [name, content] of Object.entries(await generatedPages())) {
    await t.test(name, async () => {
      const written = await readFile(new URL(`../../docs/${name}`, import.meta.url), 'utf8').catch(() => '')
      assert.equal(written, content, `docs/${name} is stale: run npm run docs`)
    })
  }
})
