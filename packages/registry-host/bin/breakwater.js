#!/usr/bin/env node
// Committed and executable, because npm links a program before it is built.
import '../dist/main.js';
