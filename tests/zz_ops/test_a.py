import pytest, harness
def test_one(campus, client):
    assert client.get('/x').status==200
    client.get('/bad').expect(404,'x')
    assert campus.value("select 1+1")=='2'
    assert campus.sql("select null, '', 'a,b'")==[[None,'','a,b']]
    with campus.cluster.session() as s:
        s.sql('begin; create table t (a int); select 1 as b')
        assert s.sql('select 7')==[['7']]
        s.sql('rollback')
        with pytest.raises(harness.HarnessError): s.sql('select 1/0')
    r=client.raw_request(b'GET / HTTP/1.1\r\nHost: x\r\n\r\n', timeout=1)
    assert r.status==200 and not r.closed, r
    p=campus.processes['campus']
    p.freeze(); p.thaw(); p.kill(); campus.start_process('campus')
    client.close(); client.get('/').expect(200)
    campus.cluster.crash(); campus.cluster.start()
    assert campus.value("select 1+1")=='2'
def test_split(split, split_client):
    split.processes['membership-1'].kill()
    split_client.get('/').expect(200)
    split.start_process('membership-1')
