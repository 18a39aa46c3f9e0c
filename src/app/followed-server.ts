/** Another API server that a kubeconfig names, followed when the kubeconfig or a file that it names changes. */
import { type ClusterAccess, readKubeconfig } from '../client/kubeconfig.ts'
import { RemoteServer, type RemoteServerOptions } from '../client/remote-server.ts'
import { ConfigurationError } from './configuration-error.ts'
import { watchFiles } from './file-watch.ts'
import type { OptionName } from './options.ts'
import type { Surroundings } from './wire.ts'

/** Not every file system tells of changes, and tokens in files do not last. */
const LOOK_EVERY_MS = 60_000

export interface FollowOptions extends RemoteServerOptions {
  /** That names the kubeconfig. */
  readonly flag: OptionName
  /** Called after the server's address or credentials were replaced. */
  readonly changed?: () => void
}

/** @throws ConfigurationError */
export function followServer(around: Surroundings, o: FollowOptions): RemoteServer {
  const { clock, life, log } = around
  const path = String(around.config.values[o.flag])
  let access = firstRead(path, o.flag)
  const server = life.own(new RemoteServer(access, o))
  let unwatch = (): void => {}
  let cancelLook = (): void => {}

  function watch(): void {
    unwatch()
    unwatch = watchFiles({ paths: access.files, clock, changed: reread })
  }
  function reread(): void {
    let next: ClusterAccess
    try {
      next = readKubeconfig(path)
    } catch (error) {
      log.warn('a changed kubeconfig cannot be used yet; the old one stays', { flag: o.flag, error })
      return
    }
    if (JSON.stringify(next) === JSON.stringify(access)) return
    access = next
    server.update(access)
    watch()
    log.info('a kubeconfig was read again', { flag: o.flag, server: access.server })
    o.changed?.()
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
  return server
}

function firstRead(path: string, flag: OptionName): ClusterAccess {
  try {
    return readKubeconfig(path)
  } catch (e) {
    throw new ConfigurationError(`--${flag}: ${(e as Error).message}`)
  }
}
