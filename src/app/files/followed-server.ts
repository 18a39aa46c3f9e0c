/** Another API server that a kubeconfig names, followed when the kubeconfig or a file that it names changes. */
import { type ClusterAccess, readKubeconfig } from '../../client/kubeconfig.ts'
import { type Published, Publisher } from '../../lib/published.ts'
import { RemoteServer, type RemoteServerOptions } from '../../proxy/reach/remote-server.ts'
import { ConfigurationError } from '../config/configuration-error.ts'
import { watchFiles } from './file-watch.ts'
import type { OptionName } from '../config/options.ts'
import type { AppContext } from '../run/app-context.ts'

/** Not every file system tells of changes, and tokens in files do not last. */
const LOOK_EVERY_MS = 60_000

export interface FollowOptions extends Omit<RemoteServerOptions, 'clock' | 'log'> {
  /** That names the kubeconfig. */
  readonly flag: OptionName
  /** Called after the server's address or credentials were replaced. */
  readonly changed?: () => void
}

/** @throws ConfigurationError */
export function followServer(context: AppContext, o: FollowOptions): RemoteServer {
  const access = followKubeconfig(context, { path: String(context.config.values[o.flag]), origin: `--${o.flag}` })
  const server = context.life.own(new RemoteServer(access.value, { ...o, clock: context.clock, log: context.log }))
  access.subscribe((next) => {
    server.update(next)
    o.changed?.()
  })
  return server
}

/** @param o.origin what named the file, for messages. @throws ConfigurationError */
export function followKubeconfig(
  { clock, life, log }: AppContext,
  o: { path: string; origin: string },
): Published<ClusterAccess> {
  const access = new Publisher(firstRead(o))
  let unwatch = (): void => {}
  let cancelLook = (): void => {}

  function watch(): void {
    unwatch()
    unwatch = watchFiles({ paths: access.value.files, clock, changed: reread })
  }
  function reread(): void {
    let next: ClusterAccess
    try {
      next = readKubeconfig(o.path)
    } catch (error) {
      log.warn('a changed kubeconfig cannot be used yet; the old one stays', { kubeconfig: o.origin, error })
      return
    }
    if (JSON.stringify(next) === JSON.stringify(access.value)) return
    access.publish(next)
    watch()
    log.info('a kubeconfig was read again', { kubeconfig: o.origin, server: next.server })
  }
  function lookLater(): void {
    cancelLook = clock.after(LOOK_EVERY_MS, () => {
      reread()
      lookLater()
    })
  }
  watch()
  lookLater()
  life.defer(() => {
    cancelLook()
    unwatch()
  })
  return access
}

function firstRead({ path, origin }: { path: string; origin: string }): ClusterAccess {
  try {
    return readKubeconfig(path)
  } catch (e) {
    throw new ConfigurationError(`${origin}: ${(e as Error).message}`)
  }
}
