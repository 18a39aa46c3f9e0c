/** What all parts of this process share: its configuration, and what every server works with. */
import type { KubeObject } from '../../api/meta.ts'
import type { Deferred } from '../../lib/deferred.ts'
import type { SystemLookup } from '../../proxy/reach/endpoint-source.ts'
import type { Hooks } from '../../servers/generic/hooks.ts'
import type { ServerContext } from '../../servers/generic/server-context.ts'
import type { Config } from '../config/config.ts'

export interface AppContext extends ServerContext {
  readonly config: Config
  /** Looks up the names of backends by DNS. */
  readonly lookup: SystemLookup
  readonly hooks: Hooks
  /** Called with each object that a watch cache and an informer share. Tests freeze it, so that a change throws. */
  readonly onShared?: ((object: KubeObject) => void) | undefined
  /** Resolved when kube-system and its like are there. */
  readonly systemNamespaces: Deferred
}
