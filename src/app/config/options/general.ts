import { options } from './option.ts'

export const GENERAL = options('General', {
  config: ['text', '', 'YAML file with more options (kind PorticoConfiguration); flags and environment win over it.'],
  'data-dir': ['text', '.portico', 'Folder of certificates, the kubeconfig and the embedded storage.'],
  controllers: [
    'list',
    '*',
    'Controllers to run: * for all, name or +name for one, -name for all but that one. A name that is none is answered with all there are.',
  ],
  'runtime-config': [
    'list',
    '',
    'Built-in APIs to serve, key=true, or not, key=false: api/all, api/ga, api/beta, api/alpha, <group>/<version>, <group>/<version>/<resource>; a key alone means true.',
  ],
})
