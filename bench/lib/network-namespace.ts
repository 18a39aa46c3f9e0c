/**
 * A host of its own on this machine, whose packets can be made to vanish, both ways and without a word, as a firewall does
 * it: each side is told a wrong hardware address of the other. Needs root and ip (Debian: iproute2).
 */
import { spawnSync } from 'node:child_process'

export interface NetworkNamespace extends Disposable {
  /** Of the host. */
  readonly address: string
  /** What starts a program there. */
  readonly by: readonly string[]
  drop(): void
  restore(): void
}
const [HERE, THERE] = ['10.213.7.1', '10.213.7.2']
const [HERE_MAC, THERE_MAC, NOBODY] = ['02:00:00:00:07:01', '02:00:00:00:07:02', '02:00:00:00:07:03']

export function openNetworkNamespace(): NetworkNamespace {
  const name = `portico-${process.pid}`
  const [here, there] = [`portico${process.pid}`, 'outside']
  const point = (hereMac: string, thereMac: string): void => {
    ip(`neigh replace ${THERE} lladdr ${thereMac} dev ${here} nud permanent`)
    ip(`-n ${name} neigh replace ${HERE} lladdr ${hereMac} dev ${there} nud permanent`)
  }
  ip(`netns add ${name}`)
  ip(`link add ${here} address ${HERE_MAC} type veth peer name ${there} address ${THERE_MAC} netns ${name}`)
  ip(`addr add ${HERE}/30 dev ${here}`)
  ip(`link set ${here} up`)
  ip(`-n ${name} addr add ${THERE}/30 dev ${there}`)
  ip(`-n ${name} link set ${there} up`)
  point(HERE_MAC, THERE_MAC)
  return {
    address: THERE,
    by: ['ip', 'netns', 'exec', name],
    drop: () => point(NOBODY, NOBODY),
    restore: () => point(HERE_MAC, THERE_MAC),
    [Symbol.dispose]: () => {
      ip(`link delete ${here}`)
      ip(`netns delete ${name}`)
    },
  }
}

function ip(command: string): void {
  const done = spawnSync('ip', command.split(' '), { encoding: 'utf8' })
  if (done.status !== 0) throw new Error(`ip ${command}: ${done.stderr}`)
}
