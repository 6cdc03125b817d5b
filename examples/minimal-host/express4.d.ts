/** Express 4 under a name of its own, so that both majors can be tested; its types are near enough to those of 5. */
declare module 'express4' {
  import express from 'express';
  export default express;
}
