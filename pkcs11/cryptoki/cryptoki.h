#pragma once

// The Cryptoki types, for the .cpp files of this folder only. What p11-kit's header does not name yet is added here
// with the numbers of PKCS#11 v3.0.
#include <p11-kit/pkcs11.h>
