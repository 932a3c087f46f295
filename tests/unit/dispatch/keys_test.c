/* tests/unit/dispatch/keys_test.c - key files, and who is let in. */
#include <fcntl.h>

#include "tests/unit/dispatch/house.h"

static void folder(char dir[64])
{
    snprintf(dir, 64, "/tmp/ff-keys-XXXXXX");
    assert_non_null(mkdtemp(dir));
}

static void remove_folder(const char *dir)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
}

static void read_all(const char *dir, const char *name, char out[64])
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(out, 64, file));
    fclose(file);
}

static void write_all(const char *dir, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void keys_are_made_once_and_for_the_owner_only(void **state)
{
    (void)state;
    static const char *const names[] = {"server.key", "server.pub", "worker.key", "worker.pub", "workers/local.pub"};
    char dir[64], first[5][64], second[64], path[128];
    folder(dir);
    assert_ok(ff_keys_ensure(dir, &ctx));
    for (int i = 0; i < 5; i++) {
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        read_all(dir, names[i], first[i]);
    }
    assert_string_equal(first[3], first[4]);
    assert_string_not_equal(first[0], first[2]);
    assert_ok(ff_keys_ensure(dir, &ctx));
    for (int i = 0; i < 5; i++) {
        read_all(dir, names[i], second);
        assert_string_equal(second, first[i]);
    }
    remove_folder(dir);
}

static void a_lost_public_key_is_made_again_from_the_secret(void **state)
{
    (void)state;
    char dir[64], before[64], after[64], path[128];
    folder(dir);
    assert_ok(ff_keys_ensure(dir, &ctx));
    read_all(dir, "server.pub", before);
    snprintf(path, sizeof path, "%s/server.pub", dir);
    unlink(path);
    assert_ok(ff_keys_ensure(dir, &ctx));
    read_all(dir, "server.pub", after);
    assert_string_equal(after, before);
    remove_folder(dir);
}

static void a_secret_that_others_may_read_is_refused_without_showing_it(void **state)
{
    (void)state;
    char dir[64], path[128], key[64];
    ff_ctx ctx = {0};
    folder(dir);
    assert_int_equal(ff_keys_ensure(dir, &ctx), FF_OK);
    read_all(dir, "server.key", key);
    key[strcspn(key, "\n")] = '\0';
    snprintf(path, sizeof path, "%s/server.key", dir);
    chmod(path, 0640);
    assert_int_equal(ff_keys_ensure(dir, &ctx), FF_EUSAGE);
    assert_null(strstr(ctx.message, key));
    write_all(dir, "server.key", "this is not a key");
    chmod(path, 0600);
    assert_int_equal(ff_keys_ensure(dir, &ctx), FF_EUSAGE);
    remove_folder(dir);
}

static void only_whole_keys_of_the_folder_are_allowed(void **state)
{
    (void)state;
    char dir[64], local[64], path[128];
    int skipped;
    struct ff_allowed allowed;
    folder(dir);
    assert_ok(ff_keys_ensure(dir, &ctx));
    assert_ok(ff_allowed_init(&allowed, &ctx));
    read_all(dir, "workers/local.pub", local);
    local[40] = '\0';
    write_all(dir, "workers/empty.pub", "");
    write_all(dir, "workers/long.pub", "0123456789012345678901234567890123456789012345678901234567890123456789\n");
    write_all(dir, "workers/bad.pub",
              "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"");
    write_all(dir, "workers/notes.txt", "not looked at");
    snprintf(path, sizeof path, "%s/workers/link.pub", dir);
    assert_int_equal(symlink("/etc/hostname", path), 0);
    snprintf(path, sizeof path, "%s/workers/fifo.pub", dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_ok(ff_allowed_read(&allowed, dir, &skipped, &ctx));
    assert_int_equal(skipped, 5);
    assert_int_equal(allowed.n, 1);
    assert_true(ff_allowed_has(&allowed, local));
    assert_false(ff_allowed_has(&allowed, ""));
    local[0] = local[0] == 'a' ? 'b' : 'a';
    assert_false(ff_allowed_has(&allowed, local));
    ff_allowed_done(&allowed);
    remove_folder(dir);
}

/* Nothing that this connection says may be answered. */
static void gets_no_word(struct gang *g)
{
    gang_say_hello(g, false);
    assert_null(gang_wait_for(g, FF_WIRE_WELCOME, 700));
    gang_close(g);
}

static void strangers_are_not_let_in(void **state)
{
    (void)state;
    struct house h = {0};
    house_open(&h);
    char server[FF_KEY_SIZE], own[FF_KEY_SIZE], secret[FF_KEY_SIZE], pub[FF_KEY_SIZE], other[FF_KEY_SIZE];
    gang_keys(&h, server, own, secret);
    struct gang g = {.house = &h, .instance = "stranger"};

    assert_int_equal(zmq_curve_keypair(pub, other), 0);
    gang_connect_as(&g, server, pub, other); /* a key that nobody allowed */
    gets_no_word(&g);
    gang_connect_as(&g, pub, own, secret); /* another server's key */
    gets_no_word(&g);
    gang_connect_as(&g, NULL, NULL, NULL); /* no keys at all */
    gets_no_word(&g);
    assert_true(numbers_of(&h).refused_peers >= 1);
    assert_int_equal(numbers_of(&h).messages, 0);

    gang_open(&g, &h, "friend");
    gang_close(&g);
    house_close(&h);
}

static void a_key_is_allowed_and_forbidden_while_the_server_runs(void **state)
{
    (void)state;
    struct house h = {0};
    house_open(&h);
    char server[FF_KEY_SIZE], own[FF_KEY_SIZE], secret[FF_KEY_SIZE], pub[FF_KEY_SIZE], other[FF_KEY_SIZE], path[128];
    gang_keys(&h, server, own, secret);
    assert_int_equal(zmq_curve_keypair(pub, other), 0);
    write_all(h.dir, "workers/new.pub", pub);
    ff_dispatch_reload(h.dispatch);
    struct gang g = {.house = &h, .instance = "new"}, old = {0};
    gang_connect_as(&g, server, pub, other); /* libzmq tries again when it was too early */
    gang_hello(&g, false);
    gang_open(&old, &h, "old");

    snprintf(path, sizeof path, "%s/workers/new.pub", h.dir);
    unlink(path);
    ff_dispatch_reload(h.dispatch);
    json_decref(gang_expect(&g, FF_WIRE_REFUSED));
    gang_say_hello(&g, false);
    json_decref(gang_expect(&g, FF_WIRE_REFUSED));
    gang_hello(&old, false);
    gang_close(&g);
    gang_close(&old);
    house_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_made_once_and_for_the_owner_only),
        cmocka_unit_test(a_lost_public_key_is_made_again_from_the_secret),
        cmocka_unit_test(a_secret_that_others_may_read_is_refused_without_showing_it),
        cmocka_unit_test(only_whole_keys_of_the_folder_are_allowed),
        cmocka_unit_test(strangers_are_not_let_in),
        cmocka_unit_test(a_key_is_allowed_and_forbidden_while_the_server_runs),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
