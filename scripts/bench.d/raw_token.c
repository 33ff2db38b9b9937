/* The rate of C_Sign or C_GenerateKeyPair alone: what a token gives to a program that does nothing else. Each thread has
   a session of its own under one login, looks the key up once, and signs until the time is over.

     cc -O2 -o raw_token raw_token.c $(pkg-config --cflags p11-kit-1) -ldl -pthread
     ./raw_token MODULE TOKEN PIN-FILE KEY MECHANISM THREADS SECONDS

   TOKEN and KEY are labels; PIN-FILE holds the PIN and at most one newline behind it. MECHANISM is what the program
   itself uses for such a key, over an input of the size that it gives:
     ecdsa      CKM_ECDSA over 32 octets of a SHA-256 digest
     rsa        CKM_RSA_PKCS over the 51 octets of a DigestInfo of SHA-256
     rsa-pss    CKM_RSA_PKCS_PSS over 32 octets, SHA-256, a salt of 32 octets
     eddsa      CKM_EDDSA over 400 octets, as many as a small request has
     make-ec    key pairs of P-256 that stay in the token, labelled KEY; nothing is looked up
   Prints the signatures (or key pairs) a second of all threads together, one number and a newline. Exit code 1 with a sentence on
   standard error when a call fails. */

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* PKCS#11 v3.0; older headers lack it. */
#ifndef CKM_EDDSA
#define CKM_EDDSA 0x00001057UL
#endif

enum { MOST_THREADS = 256, MOST_SIGNATURE = 2048 };

static CK_FUNCTION_LIST *cryptoki;
static CK_SLOT_ID slot;
static char *label;
static CK_MECHANISM mechanism;
static CK_RSA_PKCS_PSS_PARAMS pss = {CKM_SHA256, CKG_MGF1_SHA256, 32};
static unsigned char input[400];
static CK_ULONG input_size;
static double seconds;
static pthread_barrier_t ready;
static int makes_keys;

static void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("raw_token: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static void check(CK_RV rv, const char *function)
{
    if (rv != CKR_OK) fail("%s answers 0x%lx", function, (unsigned long)rv);
}

static double now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static CK_SESSION_HANDLE open_session(void)
{
    CK_SESSION_HANDLE session = 0;
    check(cryptoki->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session), "C_OpenSession");
    return session;
}

static CK_OBJECT_HANDLE find_key(CK_SESSION_HANDLE session)
{
    CK_OBJECT_CLASS private_key = CKO_PRIVATE_KEY;
    CK_ATTRIBUTE match[] = {{CKA_CLASS, &private_key, sizeof private_key}, {CKA_LABEL, label, strlen(label)}};
    CK_OBJECT_HANDLE keys[2];
    CK_ULONG found = 0;
    check(cryptoki->C_FindObjectsInit(session, match, 2), "C_FindObjectsInit");
    check(cryptoki->C_FindObjects(session, keys, 2, &found), "C_FindObjects");
    check(cryptoki->C_FindObjectsFinal(session), "C_FindObjectsFinal");
    if (found != 1) fail("%lu private keys are labelled %s", (unsigned long)found, label);
    return keys[0];
}

static void make_key(CK_SESSION_HANDLE session)
{
    static unsigned char p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE public_half[] = {{CKA_TOKEN, &yes, sizeof yes},
                                  {CKA_LABEL, label, strlen(label)},
                                  {CKA_EC_PARAMS, p256, sizeof p256}};
    CK_ATTRIBUTE private_half[] = {{CKA_TOKEN, &yes, sizeof yes},
                                   {CKA_PRIVATE, &yes, sizeof yes},
                                   {CKA_SENSITIVE, &yes, sizeof yes},
                                   {CKA_SIGN, &yes, sizeof yes},
                                   {CKA_LABEL, label, strlen(label)}};
    CK_OBJECT_HANDLE one, other;
    check(cryptoki->C_GenerateKeyPair(session, &mechanism, public_half, 3, private_half, 5, &one, &other),
          "C_GenerateKeyPair");
}

static void sign(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    unsigned char signature[MOST_SIGNATURE];
    CK_ULONG size = sizeof signature;
    check(cryptoki->C_SignInit(session, &mechanism, key), "C_SignInit");
    check(cryptoki->C_Sign(session, input, input_size, signature, &size), "C_Sign");
}

/* Gives what the thread makes a second. */
static void *work(void *result)
{
    CK_SESSION_HANDLE session = open_session();
    CK_OBJECT_HANDLE key = makes_keys ? 0 : find_key(session);
    unsigned long made = 0;
    double begin, end;
    pthread_barrier_wait(&ready);
    begin = now();
    do {
        if (makes_keys) {
            make_key(session);
        } else {
            sign(session, key);
        }
        ++made;
        end = now();
    } while (end - begin < seconds);
    *(double *)result = (double)made / (end - begin);
    return NULL;
}

static void load(const char *path)
{
    CK_C_INITIALIZE_ARGS arguments;
    CK_C_GetFunctionList get;
    void *library = dlopen(path, RTLD_NOW);
    void *symbol = library == NULL ? NULL : dlsym(library, "C_GetFunctionList");
    if (symbol == NULL) fail("cannot load %s: %s", path, dlerror());
    memcpy(&get, &symbol, sizeof get);
    check(get(&cryptoki), "C_GetFunctionList");
    memset(&arguments, 0, sizeof arguments);
    arguments.flags = CKF_OS_LOCKING_OK;
    check(cryptoki->C_Initialize(&arguments), "C_Initialize");
}

static void find_token(const char *name)
{
    CK_SLOT_ID slots[256];
    CK_ULONG count = sizeof slots / sizeof *slots, i;
    size_t length = strlen(name);
    check(cryptoki->C_GetSlotList(CK_TRUE, slots, &count), "C_GetSlotList");
    for (i = 0; i < count; ++i) {
        CK_TOKEN_INFO token;
        size_t size = sizeof token.label;
        if (cryptoki->C_GetTokenInfo(slots[i], &token) != CKR_OK) continue;
        while (size > 0 && token.label[size - 1] == ' ') --size;
        if (size != length || memcmp(token.label, name, length) != 0) continue;
        slot = slots[i];
        return;
    }
    fail("no token is labelled %s", name);
}

static void log_in(CK_SESSION_HANDLE session, const char *path)
{
    char pin[256];
    FILE *file = fopen(path, "r");
    size_t size;
    if (file == NULL) fail("cannot open %s", path);
    size = fread(pin, 1, sizeof pin, file);
    fclose(file);
    if (size > 0 && pin[size - 1] == '\n') --size;
    check(cryptoki->C_Login(session, CKU_USER, (unsigned char *)pin, size), "C_Login");
    memset(pin, 0, sizeof pin);
}

static void choose(const char *name)
{
    struct {
        const char *name;
        CK_MECHANISM_TYPE type;
        CK_ULONG input;
    } rows[] = {{"ecdsa", CKM_ECDSA, 32},
                {"rsa", CKM_RSA_PKCS, 51},
                {"rsa-pss", CKM_RSA_PKCS_PSS, 32},
                {"eddsa", CKM_EDDSA, 400},
                {"make-ec", CKM_EC_KEY_PAIR_GEN, 0}};
    size_t i;
    for (i = 0; i < sizeof rows / sizeof *rows; ++i) {
        if (strcmp(rows[i].name, name) != 0) continue;
        mechanism.mechanism = rows[i].type;
        input_size = rows[i].input;
        makes_keys = rows[i].type == CKM_EC_KEY_PAIR_GEN;
        if (rows[i].type == CKM_RSA_PKCS_PSS) {
            mechanism.pParameter = &pss;
            mechanism.ulParameterLen = sizeof pss;
        }
        return;
    }
    fail("the mechanisms are ecdsa, rsa, rsa-pss, eddsa and make-ec");
}

int main(int count, char **words)
{
    pthread_t threads[MOST_THREADS];
    double rates[MOST_THREADS], sum = 0;
    CK_SESSION_HANDLE session;
    long wanted, i;
    if (count != 8) fail("arguments: MODULE TOKEN PIN-FILE KEY MECHANISM THREADS SECONDS");
    wanted = strtol(words[6], NULL, 10);
    seconds = strtod(words[7], NULL);
    if (wanted < 1 || wanted > MOST_THREADS || seconds <= 0) fail("1 to %d threads, more than 0 seconds", MOST_THREADS);
    label = words[4];
    choose(words[5]);
    for (i = 0; i < (long)sizeof input; ++i) input[i] = (unsigned char)i;

    load(words[1]);
    find_token(words[2]);
    session = open_session(); /* keeps the login */
    log_in(session, words[3]);
    pthread_barrier_init(&ready, NULL, (unsigned)wanted);
    for (i = 0; i < wanted; ++i) {
        if (pthread_create(&threads[i], NULL, work, &rates[i]) != 0) fail("cannot start thread %ld", i);
    }
    for (i = 0; i < wanted; ++i) {
        pthread_join(threads[i], NULL);
        sum += rates[i];
    }
    printf("%.1f\n", sum);
    cryptoki->C_CloseSession(session);
    cryptoki->C_Finalize(NULL);
    return 0;
}
