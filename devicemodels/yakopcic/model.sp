* Yakopcic's model. The state is x0 + v(u), port x carries it. Node u is an offset that is 0 at rest: the inductor holds it
* in .op and .dc (where "time" is the swept value, so that time > 0 does not mean a transient) and is open in a transient.
* Nodes z and c carry the clamped arguments b v and v, which keeps the derivatives of the sources short. Bup raises the
* state, Bdown lowers it; each window is 1 where its clamps say so.
.subckt yakopcic p n x params: a1=0.17 a2=0.17 b=0.05 a_p=4000.0 a_n=4000.0 v_p=0.16 v_n=0.15 alpha_p=1.0
+ alpha_n=5.0 x_p=0.3 x_n=0.5 eta=1 x0=0.11 z_max=40.0
.param low={-z_max} e_p={exp(v_p)} e_n={exp(v_n)} turn={1-x_n} rest_p={1-x_p}
.param up_p={eta > 0 ? a_p : 0} up_n={eta > 0 ? 0 : a_n} down_p={eta > 0 ? 0 : a_p} down_n={eta > 0 ? a_n : 0}
Bz 0 z i = max(({low}),min(({z_max}),({b})*v(p,n)))
Rz z 0 1
Bc 0 c i = max(({low}),min(({z_max}),v(p,n)))
Rc c 0 1
Bcell p n i = (v(p,n) >= 0 ? ({a1}) : ({a2}))*max(0,min(1,({x0})+v(u)))
+ *(sinh(v(z))+cosh(v(z))*(({b})*v(p,n)-v(z)))
Bup 0 u i = time > 0 ? (({up_p})*max(0,exp(v(c))-({e_p}))+({up_n})*max(0,exp(-v(c))-({e_n})))
+ *exp(-({alpha_p})*max(0,({x0})+v(u)-({x_p})))*min(1,(1-({x0})-v(u))/({rest_p})) : 0
Bdown u 0 i = time > 0 ? (({down_n})*max(0,exp(-v(c))-({e_n}))+({down_p})*max(0,exp(v(c))-({e_p})))
+ *exp(-({alpha_n})*max(0,({turn})-({x0})-v(u)))*min(1,(({x0})+v(u))/({turn})) : 0
Cu u 0 1
Lu u 0 1e20
Bx 0 x i = ({x0})+v(u)
Rx x 0 1
.ends yakopcic
