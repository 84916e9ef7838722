/* The cheapest possible module commands, as a lower bound: they open the key, use the value and reply,
 * with the raw API. They store one word under a key, change it and read it. */

#include "redismodule.h"
#include <string.h>

static RedisModuleType *Type;

typedef struct {
    size_t length;
    char bytes[64];
} Word;

static void free_word(void *value) { RedisModule_Free(value); }

static int assign(Word *word, RedisModuleString *text) {
    size_t length;
    const char *bytes = RedisModule_StringPtrLen(text, &length);
    if (length > sizeof word->bytes) return REDISMODULE_ERR;
    memcpy(word->bytes, bytes, length);
    word->length = length;
    return REDISMODULE_OK;
}

static int set(RedisModuleCtx *ctx, RedisModuleString **argv, int argc) {
    if (argc != 3) return RedisModule_WrongArity(ctx);
    RedisModuleKey *key = RedisModule_OpenKey(ctx, argv[1], REDISMODULE_READ | REDISMODULE_WRITE);
    Word *word = RedisModule_Calloc(1, sizeof *word);
    if (assign(word, argv[2]) != REDISMODULE_OK) {
        RedisModule_Free(word);
        RedisModule_CloseKey(key);
        return RedisModule_ReplyWithError(ctx, "ERR too long");
    }
    RedisModule_ModuleTypeSetValue(key, Type, word);
    RedisModule_CloseKey(key);
    RedisModule_ReplicateVerbatim(ctx);
    return RedisModule_ReplyWithSimpleString(ctx, "OK");
}

static int get(RedisModuleCtx *ctx, RedisModuleString **argv, int argc) {
    if (argc != 2) return RedisModule_WrongArity(ctx);
    RedisModuleKey *key = RedisModule_OpenKey(ctx, argv[1], REDISMODULE_READ);
    if (RedisModule_ModuleTypeGetType(key) != Type) return RedisModule_ReplyWithNull(ctx);
    Word *word = RedisModule_ModuleTypeGetValue(key);
    RedisModule_ReplyWithArray(ctx, 1);
    RedisModule_ReplyWithStringBuffer(ctx, word->bytes, word->length);
    RedisModule_CloseKey(key);
    return REDISMODULE_OK;
}

static int move(RedisModuleCtx *ctx, RedisModuleString **argv, int argc) {
    if (argc != 3) return RedisModule_WrongArity(ctx);
    RedisModuleKey *key = RedisModule_OpenKey(ctx, argv[1], REDISMODULE_READ | REDISMODULE_WRITE);
    if (RedisModule_ModuleTypeGetType(key) != Type) return RedisModule_ReplyWithNull(ctx);
    assign(RedisModule_ModuleTypeGetValue(key), argv[2]);
    RedisModule_CloseKey(key);
    RedisModule_ReplicateVerbatim(ctx);
    return RedisModule_ReplyWithSimpleString(ctx, "OK");
}

/* As a move that is told what came of it: waiters are told too, and the reply has three parts. */
static int moved(RedisModuleCtx *ctx, RedisModuleString **argv, Word *word) {
    RedisModule_SignalModifiedKey(ctx, argv[1]);
    RedisModule_NotifyKeyspaceEvent(ctx, REDISMODULE_NOTIFY_MODULE, "floor.fire", argv[1]);
    RedisModule_ReplyWithArray(ctx, 3);
    RedisModule_ReplyWithStringBuffer(ctx, "moved", 5);
    RedisModule_ReplyWithStringBuffer(ctx, word->bytes, word->length);
    return RedisModule_ReplyWithLongLong(ctx, 1000);
}

static int fire(RedisModuleCtx *ctx, RedisModuleString **argv, int argc) {
    if (argc != 3) return RedisModule_WrongArity(ctx);
    RedisModuleKey *key = RedisModule_OpenKey(ctx, argv[1], REDISMODULE_READ | REDISMODULE_WRITE);
    if (RedisModule_ModuleTypeGetType(key) != Type) return RedisModule_ReplyWithNull(ctx);
    Word *word = RedisModule_ModuleTypeGetValue(key);
    RedisModule_CloseKey(key);
    RedisModule_ReplicateVerbatim(ctx);
    return moved(ctx, argv, word);
}

/* The same, replicated with the time and the user. */
static int timed(RedisModuleCtx *ctx, RedisModuleString **argv, int argc) {
    if (argc != 3) return RedisModule_WrongArity(ctx);
    RedisModuleKey *key = RedisModule_OpenKey(ctx, argv[1], REDISMODULE_READ | REDISMODULE_WRITE);
    if (RedisModule_ModuleTypeGetType(key) != Type) return RedisModule_ReplyWithNull(ctx);
    Word *word = RedisModule_ModuleTypeGetValue(key);
    RedisModule_CloseKey(key);
    RedisModuleString *user = RedisModule_GetClientUserNameById(ctx, RedisModule_GetClientId(ctx));
    RedisModuleString *now = RedisModule_CreateStringFromLongLong(ctx, RedisModule_Milliseconds());
    RedisModule_Replicate(ctx, "floor.timed", "vcss", argv + 1, (size_t)2, "AT", now, user);
    RedisModule_FreeString(ctx, now);
    RedisModule_FreeString(ctx, user);
    return moved(ctx, argv, word);
}

int RedisModule_OnLoad(RedisModuleCtx *ctx, RedisModuleString **argv, int argc) {
    REDISMODULE_NOT_USED(argv);
    REDISMODULE_NOT_USED(argc);
    RedisModuleTypeMethods methods = {.version = REDISMODULE_TYPE_METHOD_VERSION, .free = free_word};
    if (RedisModule_Init(ctx, "floor", 1, REDISMODULE_APIVER_1) != REDISMODULE_OK) return REDISMODULE_ERR;
    Type = RedisModule_CreateDataType(ctx, "FloorType", 0, &methods);
    if (!Type) return REDISMODULE_ERR;
    if (RedisModule_CreateCommand(ctx, "floor.set", set, "write deny-oom", 1, 1, 1) != REDISMODULE_OK ||
        RedisModule_CreateCommand(ctx, "floor.get", get, "readonly fast", 1, 1, 1) != REDISMODULE_OK ||
        RedisModule_CreateCommand(ctx, "floor.move", move, "write fast", 1, 1, 1) != REDISMODULE_OK ||
        RedisModule_CreateCommand(ctx, "floor.fire", fire, "write fast", 1, 1, 1) != REDISMODULE_OK ||
        RedisModule_CreateCommand(ctx, "floor.timed", timed, "write fast", 1, 1, 1) != REDISMODULE_OK)
        return REDISMODULE_ERR;
    return REDISMODULE_OK;
}
