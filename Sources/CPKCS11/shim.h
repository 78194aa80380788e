#pragma once
// Declarations alone: modules are loaded while the program runs, and p11-kit itself is not linked
// (which its pkg-config would ask for, hence the folder in the name).
#include <p11-kit-1/p11-kit/pkcs11.h>
