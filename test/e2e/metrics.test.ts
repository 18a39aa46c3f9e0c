import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { registerSample } from '../harness/backends.ts'
import { missingProgram } from '../harness/programs.ts'
import { promtoolProblems, startPrometheus } from '../harness/prometheus.ts'
import { type TestServer, startTestServer } from '../harness/server.ts'

interface Panel {
  readonly title: string
  readonly type: string
  readonly targets?: readonly { readonly expr: string }[]
}
const dashboard = JSON.parse(readFileSync(new URL('../../grafana/portico.json', import.meta.url), 'utf8')) as {
  panels: Panel[]
}
const skip = missingProgram('prometheus', 'prometheus') || missingProgram('promtool', 'prometheus')

/** A bit of everything that the dashboard shows. */
async function load(portico: TestServer, collection: string): Promise<void> {
  const { admin } = portico
  for (let i = 0; i < 20; i++) {
    const name = `load-${i}-${Math.random().toString(36).slice(2)}`
    await admin.post('/api/v1/namespaces/default/configmaps', { metadata: { name } })
    await admin.get(`/api/v1/namespaces/default/configmaps/${name}`)
    await admin.delete(`/api/v1/namespaces/default/configmaps/${name}`)
    await admin.get('/api/v1/configmaps')
    await admin.get(collection)
    await admin.get(`${collection}/missing`)
  }
}

test('promtool accepts the metrics page, and label sets are those of upstream', async () => {
  await using portico = await startTestServer()
  await portico.admin.get('/api/v1/namespaces/default')
  await portico.admin.get('/api/v1/nodes')
  const { text, headers } = await portico.admin.get('/metrics')
  assert.match(String(headers['content-type']), /^text\/plain; version=0\.0\.4/)
  if (!skip) assert.deepEqual(promtoolProblems(text), [])
  assert.match(
    text,
    /apiserver_request_total\{verb="GET",dry_run="",group="",version="v1",resource="namespaces",subresource="",scope="resource",component="apiserver",code="200"\} 1\n/,
  )
  assert.ok(!text.includes('resource="nodes"'), 'what nobody serves is no label value')
  assert.equal((await portico.anonymous.get('/metrics')).status, 403)
})

test('every panel of the dashboard shows something for a loaded server', { skip }, async () => {
  await using portico = await startTestServer()
  await using garden = await registerSample(portico, 'garden')
  const { cert, key } = portico.pki.admin()
  await using prometheus = await startPrometheus({
    target: portico.url.slice('https://'.length),
    ca: portico.pki.ca().cert,
    cert,
    key,
  })
  const queries = dashboard.panels.flatMap((p) =>
    (p.targets ?? []).map((t) => ({ title: p.title, expr: t.expr.replaceAll('$__rate_interval', '10s') })),
  )
  assert.ok(queries.length > 20)
  let empty = queries
  // Prometheus starts to scrape up to 5 s after it is ready, and a rate needs two scrapes.
  const deadlineMs = Date.now() + 60_000
  while (empty.length > 0 && Date.now() < deadlineMs) {
    await load(portico, garden.collection)
    const results = await Promise.all(
      empty.map(async (q) => ({ q, filled: (await prometheus.query(q.expr)).length > 0 })),
    )
    empty = results.filter((r) => !r.filled).map((r) => r.q)
  }
  assert.deepEqual(empty, [])
})
