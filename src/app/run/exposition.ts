/** Everything `/metrics` shows: our own families, and those of the process through prom-client. */
import type { VersionInfo } from '../../servers/generic/version.ts'
import type { AppContext } from './app-context.ts'

export function exposition(context: AppContext, version: VersionInfo): () => AsyncIterable<string> {
  const { metrics } = context
  const labels = [
    'major',
    'minor',
    'git_version',
    'git_commit',
    'git_tree_state',
    'build_date',
    'go_version',
    'compiler',
    'platform',
  ]
  const build = metrics.gauge({
    name: 'kubernetes_build_info',
    help: '[ALPHA] Always 1; the labels say what this is.',
    labels,
  })
  build
    .with(
      version.major,
      version.minor,
      version.gitVersion,
      version.gitCommit,
      version.gitTreeState,
      version.buildDate,
      version.goVersion,
      version.compiler,
      version.platform,
    )
    .set(1)
  let process: Promise<{ render(): Promise<string> }> | undefined
  return async function* () {
    yield* metrics.render()
    // prom-client is loaded with the first scrape: it is no part of the way to ready.
    process ??= import('../../observability/process-metrics.ts').then((m) => m.processMetrics())
    yield await (await process).render()
  }
}
