import { type Need, tool } from '../needs.js';

/** The real client. */
export function skopeoTool(): Need {
  return tool('skopeo', 'apt-get install skopeo');
}

/** The real foreign registry. */
export function dockerRegistryTool(): Need {
  return tool('docker-registry', 'apt-get install docker-registry');
}

/** The real Redis. */
export function redisServerTool(): Need {
  return tool('redis-server', 'apt-get install redis-server');
}

/** The real browser. */
export function chromiumTool(): Need {
  return tool('chromium', 'apt-get install chromium');
}

/** The real podman. */
export function podmanTool(): Need {
  return tool('podman', 'apt-get install podman');
}

/** The real buildah. */
export function buildahTool(): Need {
  return tool('buildah', 'apt-get install buildah');
}

/** The real containerd, with its client `ctr`. */
export function containerdTool(): Need {
  return tool('containerd', 'apt-get install containerd');
}
