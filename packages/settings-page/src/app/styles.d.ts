// Styles are for the bundler; nothing is taken from them.
declare module '*.css';
